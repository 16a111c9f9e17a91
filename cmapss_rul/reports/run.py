"""The report of a run: evaluated anew, drawn, written down, with its model card."""

from pathlib import Path

from cmapss_rul.evaluation.evaluate import Evaluation, evaluate
from cmapss_rul.evaluation.save import Targets, save
from cmapss_rul.reports import provenance, scored
from cmapss_rul.reports.card import write_card
from cmapss_rul.reports.metrics import key_figures, warnings_of
from cmapss_rul.reports.page import Page, Section, made_by, write
from cmapss_rul.training.device import pick_device
from cmapss_rul.training.trained_model import TrainedModel, restore


def report_run(
    folder: Path, output: Path, *, device: str = "cpu", data_dir: Path | str | None = None
) -> list[Path]:
    """Evaluate a run's best epoch, save that as `rul evaluate` does, and report on it.

    Args:
        folder: of the run.
        output: the HTML file.
        device: where the network computes.
        data_dir: folder of the data; that of the run by default.

    Returns:
        The page, its pictures, and the model card in the run's folder.

    Raises:
        RulError: what `restore`, `evaluate` and writing raise.
    """
    model = restore(folder, pick_device(device))
    targets = Targets.of(model.path)
    targets.check()
    evaluation = evaluate(model, data_dir=data_dir)
    save(evaluation, targets)
    files = write(page_of(folder, model, evaluation), output)
    return [*files, write_card(folder, model, evaluation)]


def page_of(folder: Path, model: TrainedModel, evaluation: Evaluation) -> Page:
    """Put the page of a run together."""
    protocol = evaluation.protocol
    name = folder.resolve().name
    return Page(
        title=f"{name}: remaining useful life on {protocol.subset}",
        about=f"{protocol.subset}, {protocol.files}; balancer {model.config.balancer.name}; one "
        f"run with seed {protocol.seed}, epoch {protocol.epoch}",
        figures=key_figures(evaluation),
        warnings=list(warnings_of(evaluation)),
        sections=[
            Section("figures", "Figures and their protocol", list(scored.figures(evaluation))),
            Section("compare", "What they must be compared with", list(scored.compare(evaluation))),
            Section("predicted", "Predicted against true", list(scored.predicted(evaluation))),
            Section(
                "course", "Best, median and worst engines", list(scored.trajectories(evaluation))
            ),
            Section("errors", "Where the error is", list(scored.errors(model, evaluation))),
            Section("health", "Health classes", list(scored.health(evaluation))),
            Section("intervals", "Intervals", list(scored.intervals(evaluation))),
            Section("prognostics", "Prognostics metrics", list(scored.prognostics(evaluation))),
            Section("training", "Training", list(provenance.training(folder, model))),
            Section(
                "inside", "What the network looks at", list(provenance.inside(model, evaluation))
            ),
            Section("made", "How it was made", list(provenance.made(model, evaluation))),
        ],
        made=made_by(),
    )
