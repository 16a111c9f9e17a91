"""Pass an evaluation on to the trackers that followed the run, see `training.trackers`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.training.checkpoint import BEST
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trackers.following import attach_results
from cmapss_rul.training.trained_model import TrainedModel


def track_evaluation(
    model: TrainedModel,
    evaluation: Evaluation,
    files: Sequence[Path],
    warn: Callable[[str], None],
) -> None:
    """Add RMSE and NASA score of the last windows, and files, to the run; of best.pt alone.

    Args:
        model: that was evaluated.
        evaluation: of it.
        files: evaluation.json, a report and the like.
        warn: receives a line for each tracker that fails.
    """
    if model.path.name == BEST:
        last = evaluation.metrics.last.capped
        summary = {"test_rmse": last.rmse, "test_nasa": last.nasa}
        attach_results(RunFolder(model.path.parent), model.config, files, summary, warn)
