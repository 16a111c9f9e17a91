"""`rul quickstart`: from an empty folder to a report, in one command."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cmapss_rul.cli.options import DATA_FOLDER, Device
from cmapss_rul.cli.output import print_line, print_table

if TYPE_CHECKING:
    from cmapss_rul.training.runs import RunFolder

_FILES = """\
  report.html       metrics and plots, with the evaluation protocol
  evaluation.json   the same metrics, for programs
  predictions.csv   true and predicted RUL of each test engine
  best.pt           the model of the best validation epoch
  metrics.csv       one row per epoch"""


def quickstart(device: Device = "auto") -> None:
    """Train, evaluate and report in one command.

    Uses FD001 of C-MAPSS, downloaded to data/raw if missing. If no source can be reached, a fleet
    is simulated and every result is marked 'simulated'. The run folder is runs/quickstart-fd001 or
    runs/quickstart-demo; an interrupted run is resumed, a finished one is not changed.

    \b
    Examples:
      rul quickstart
      RUL_DATA_SOURCE=CMAPSSData.zip rul quickstart
    """
    run = _run_of("fd001")
    if not _finished(run):
        from cmapss_rul.training.device import pick_device

        pick_device(device)  # before anything is downloaded
        config = "fd001" if _get_data() else "demo"
        run = _run_of(config)
        if not _finished(run):
            _train_and_report(config, run, device)
            _print_results(run)
            return
    print_line(f"quickstart: {run} is already trained, evaluated and reported; nothing to do")
    _print_results(run)


def _run_of(config: str) -> Path:
    return Path("runs", f"quickstart-{config}")


def _finished(run: Path) -> bool:
    # in the order in which they are written; the model card is the last
    return all(
        (run / name).exists() for name in ("evaluation.json", "report.html", "MODEL_CARD.md")
    )


def _get_data() -> bool:
    """Get the files of FD001; if no source has them, print the reason and return False.

    Raises:
        DataError: the source in RUL_DATA_SOURCE does not have them.
    """
    from cmapss_rul.data import sources
    from cmapss_rul.data.columns import file_names
    from cmapss_rul.data.download import any_reachable
    from cmapss_rul.system.errors import DataError

    names = file_names(["FD001"])
    own_source = bool(os.environ.get(sources.VARIABLE))
    there = all((DATA_FOLDER / name).exists() for name in names)
    # without this check a newcomer without network access would wait for all time-outs in turn
    if not (own_source or there or any_reachable(sources.PUBLIC_SOURCES)):
        reason = "no public source of C-MAPSS can be reached"
    else:
        try:
            fetched = sources.fetch(names, DATA_FOLDER)
        except DataError as error:
            # a source set by the user must not be replaced by a simulation
            if own_source:
                raise
            reason = f"C-MAPSS cannot be downloaded ({error})"
        else:
            if fetched.written:
                print_line(f"quickstart: {len(fetched.written)} files from {fetched.source}")
            return True
    print_line(f"quickstart: {reason}; using a simulated fleet, all results are marked 'simulated'")
    return False


def _train_and_report(config: str, folder: Path, device: str) -> None:
    from cmapss_rul.evaluation.evaluate import evaluate
    from cmapss_rul.evaluation.headline import render_headline
    from cmapss_rul.evaluation.save import EvaluationFiles, save
    from cmapss_rul.reports.report import report_evaluation
    from cmapss_rul.training.device import pick_device
    from cmapss_rul.training.trained_model import restore

    chosen = pick_device(device)
    run = _train(config, folder, device)
    model = restore(run.best, chosen)
    evaluation = evaluate(model)
    save(evaluation, EvaluationFiles.of(model.path))
    print_table(render_headline(evaluation))
    report_evaluation(folder, model, evaluation, folder / "report.html")


def _train(config: str, folder: Path, device: str) -> "RunFolder":
    from cmapss_rul.cli.progress import Progress
    from cmapss_rul.training.config import load_config
    from cmapss_rul.training.train import train

    loaded = load_config(config)
    progress = Progress(loaded.train.epochs)
    try:
        return train(loaded, folder, resume=True, device=device, reporters=[progress])
    finally:  # the bar would overwrite the tables or an error line
        progress.close()


def _print_results(run: Path) -> None:
    config = run.name.removeprefix("quickstart-")
    data = DATA_FOLDER if config == "fd001" else Path("data/simulated")
    rul = _command()
    print_line("")
    print_line(f"In {run}:")
    for line in _FILES.splitlines():
        print_line(line)
    print_line("")
    print_line(f"report: {run / 'report.html'}")
    print_line("next:")
    print_line(f"  {rul} predict {run} {data / 'test_FD001.txt'}")
    print_line(f"  {rul} train --config {config} --set balancer.name=gradnorm")
    print_line(f"  {rul} compare --config {config} --balancer fixed,amnl --seeds 3")


def _command() -> str:
    """Return the command that runs this program, which under `uvx` or `pipx run` is not `rul`."""
    name = Path(sys.argv[0]).name
    if name not in ("cmapss_rul", "cmapss-rul"):
        return "rul"
    parts = Path(sys.prefix).parts
    if "uv" in parts or "UV" in os.environ:
        return f"uvx {name}"
    return f"pipx run {name}" if "pipx" in parts else name
