"""HTML report of a run, with a model card, or of a comparison."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.baseline import with_stored_baseline
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.headline import published_comparison, verdict, warnings_of
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.evaluation.save import EvaluationFiles, save, track_evaluation
from cmapss_rul.evaluation.tables import interval_cell, number, window_names
from cmapss_rul.experiments.listing import IDENTITY, RESULT
from cmapss_rul.reports import sections
from cmapss_rul.reports.comparison import report_comparison
from cmapss_rul.reports.interpretation import interpretation_parts
from cmapss_rul.reports.model_card import write_card
from cmapss_rul.reports.page import Page, Section, plots_folder, write_page
from cmapss_rul.reports.rul_plots import LastWindows
from cmapss_rul.reports.training_curves import training_parts
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.files import check_writable
from cmapss_rul.training.device import pick_device
from cmapss_rul.training.trained_model import TrainedModel, restore


def report(
    folder: PathLike[str] | str,
    output: PathLike[str] | str | None = None,
    *,
    device: str = "cpu",
    data_dir: Path | str | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Write the HTML report of a run or of a comparison.

    Args:
        folder: run folder, or output folder of `rul compare`.
        output: HTML file; by default `report.html` in the folder. Its plots are written to the
            folder `report-figures` beside it, MODEL_CARD.md always to the run folder.
        device: PyTorch device for the evaluation of a run.
        data_dir: data folder; by default that of the run.
        warn: called with a message for each tracker of the run that fails.

    Returns:
        Paths of the files written: page, plots and, for a run, model card.

    Raises:
        UsageError: the folder is neither, or the output is not an HTML file.
        RulError: see `restore` and `evaluate`, or a file cannot be written.

    >>> import cmapss_rul
    >>> page, *plots, card = cmapss_rul.report("runs/demo-s0")
    >>> page.as_posix(), card.name
    ('runs/demo-s0/report.html', 'MODEL_CARD.md')
    """
    folder = Path(folder)
    output = folder / "report.html" if output is None else Path(output)
    is_comparison = _is_comparison(folder)
    # with another ending no program would open it as HTML
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--output {output}: expected a file name ending in .html")
        # before the evaluation, which takes a while
    check_writable(output)
    check_writable(plots_folder(output) / "plot.png")
    if is_comparison:
        return report_comparison(folder / RESULT, output)
    return report_run(folder, output, device=device, data_dir=data_dir, warn=warn)


def _is_comparison(folder: Path) -> bool:
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "there is no such folder"
        raise UsageError(f"{folder}: {problem}; expected a run folder, or that of rul compare")
    if (folder / RESULT).exists():
        return True
    if (folder / "best.pt").exists():
        return False
    # `rul compare` writes grid.json first and comparison.json when all runs are finished
    if (folder / IDENTITY).exists():
        raise UsageError(f"{folder}: its runs are not compared yet; run rul compare again")
    raise UsageError(
        f"{folder}: found neither best.pt of a run nor {RESULT} of rul compare; list the runs "
        "with rul runs"
    )


def report_run(
    folder: Path,
    output: Path,
    *,
    device: str = "cpu",
    data_dir: Path | str | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Evaluate the best checkpoint of a run, save the evaluation and write the report."""
    model = restore(folder, pick_device(device))
    files = EvaluationFiles.of(model.path)
    files.check()
    evaluation = with_stored_baseline(model, evaluate(model, data_dir=data_dir))
    # before the plots, so that the metrics are saved even if drawing fails
    save(evaluation, files)
    written = report_evaluation(folder, model, evaluation, output)
    track_evaluation(model, evaluation, [files.metrics, output, written[-1]], warn)
    return written


def report_evaluation(
    folder: Path, model: TrainedModel, evaluation: Evaluation, output: Path
) -> list[Path]:
    """Write page and model card of an evaluated run; return the paths, model card last."""
    written = write_page(run_page(folder, model, evaluation), output)
    return [*written, write_card(folder, model, evaluation)]


def run_page(folder: Path, model: TrainedModel, evaluation: Evaluation) -> Page:
    """Build the page of a run."""
    protocol = evaluation.protocol
    last = LastWindows.of(evaluation)
    parts = [
        ("baselines", "Baselines and published results", sections.baselines(evaluation)),
        ("metrics", "Test metrics and protocol", sections.metrics(evaluation)),
        ("predictions", "Predicted and true RUL", sections.predictions(evaluation, last)),
        ("trajectories", "RUL trajectories", sections.trajectories(evaluation)),
        ("errors", "Error analysis", sections.errors(model, evaluation)),
        ("health", "Health classification", sections.health(evaluation)),
        ("intervals", "Prediction intervals", sections.intervals(evaluation)),
        ("prognostics", "Prognostics metrics", sections.prognostics(evaluation)),
        ("training", "Training", training_parts(folder, model)),
        (
            "interpretation",
            "Attention over time and permutation importance",
            interpretation_parts(model, evaluation),
        ),
        ("provenance", "Model, versions and configuration", sections.provenance(model, evaluation)),
    ]
    return Page(
        title=f"{folder.resolve().name}: remaining useful life on {protocol.subset}",
        subtitle=f"{protocol.subset}, {protocol.files}; balancer {model.config.balancer.name}; "
        f"{protocol.source}",
        key_metrics=key_metrics(evaluation),
        verdict=[verdict(evaluation), published_comparison(evaluation)],
        warnings=list(warnings_of(evaluation)),
        sections=[Section(anchor, title, list(content)) for anchor, title, content in parts],
        # at the top of the page, beside the key metrics
        lead=sections.lead_plot(evaluation, last),
    )


def key_metrics(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return names and values of the main metrics, for held-out engines over random cuts."""
    protocol, cuts = evaluation.protocol, evaluation.cuts
    last, every = evaluation.metrics.last.capped, evaluation.metrics.every.capped
    rmse, interval, over = last.rmse, last.rmse_interval, "engines"
    where = protocol.scored_at.removeprefix("the ")
    nasa = (f"NASA score, {where}, capped", number(last.nasa, 0))
    if cuts is not None:
        rmse, interval, over = cuts.rmse, cuts.rmse_interval, counted(cuts.engines, "engine")
        where = "random cuts"
        nasa = ("NASA score, random cuts, mean", number(cuts.nasa_mean, 2))
    every_window = ("RMSE, every window, capped labels", f"{number(every.rmse, 2)} {protocol.unit}")
    return [
        *(("optimistic", mark) for mark in protocol.marks),
        (f"RMSE, {where}, capped labels", f"{number(rmse, 2)} {protocol.unit}"),
        (
            f"its 95 % interval over {over}",
            "none: one engine" if interval is None else interval_cell(interval),
        ),
        nasa,
        *([every_window] if "every" in window_names(evaluation) else []),
    ]
