"""Writing of `evaluation.json` and `predictions.csv`, and logging to the run's trackers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cmapss_rul.display.text import finite, json_text
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.system.files import ANOTHER_FOLDER, check_writable, save_file
from cmapss_rul.training.checkpoint_file import BEST
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trackers.tracker_reporter import attach_results
from cmapss_rul.training.trained_model import TrainedModel


@dataclass(frozen=True)
class EvaluationFiles:
    """The files of an evaluation."""

    metrics: Path
    predictions: Path

    @classmethod
    def of(cls, checkpoint: Path, folder: Path | None = None) -> "EvaluationFiles":
        """Return the paths for the evaluation of a checkpoint.

        Args:
            checkpoint: the names have a suffix except for `best.pt`, so that evaluations of
                different checkpoints do not overwrite each other.
            folder: by default that of the checkpoint.

        >>> EvaluationFiles.of(Path("runs/fd001-s0/last.pt")).metrics.name
        'evaluation-last.json'
        """
        folder = checkpoint.parent if folder is None else folder
        suffix = name_suffix(checkpoint)
        return cls(folder / f"evaluation{suffix}.json", folder / f"predictions{suffix}.csv")

    def check(self) -> None:
        """Check that both files can be written, before the evaluation."""
        check_writable(self.metrics, self.predictions)


def name_suffix(checkpoint: Path) -> str:
    """Return the suffix of file names for a checkpoint; empty for `best.pt`.

    >>> name_suffix(Path("runs/fd001-s0/last.pt"))
    '-last'
    """
    return "" if checkpoint.name == BEST else f"-{checkpoint.stem}"


def save(evaluation: Evaluation, files: EvaluationFiles) -> None:
    """Write both files, each atomically.

    Raises:
        RulError: a file cannot be written; an existing file of that name is unchanged.
    """
    # JSON last, so that it never exists without its predictions
    contents = {files.predictions: to_csv(evaluation), files.metrics: to_json(evaluation)}
    for path, content in contents.items():
        save_file(path, content, ANOTHER_FOLDER)


def to_json(evaluation: Evaluation) -> str:
    """Format all metrics and the protocol as strict JSON; non-finite values become null."""
    # a NASA score may overflow to infinity, which strict JSON lacks
    return json_text(finite(evaluation.as_dict())) + "\n"


def to_csv(evaluation: Evaluation) -> str:
    """Format the predictions of the scored windows as CSV, in full precision."""
    return last_window_predictions(evaluation).to_csv(index=False, lineterminator="\n")


def last_window_predictions(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate predictions and labels of the scored windows: usually the last of each engine."""
    predictions = evaluation.predictions.at(evaluation.scored)
    truth = evaluation.truth.at(evaluation.scored)
    lower, upper = (None, None) if evaluation.bounds is None else evaluation.bounds
    # without intervals the columns remain, empty, so that the format is the same
    columns: dict[str, Any] = {
        "engine": predictions.engine,
        "cycle": predictions.cycle,
        "true_rul_raw": truth.raw,
        "true_rul_capped": truth.capped,
        "predicted_rul": predictions.rul,
        "predicted_rul_unclamped": predictions.unclamped,
        "rul_lower": None if lower is None else lower[evaluation.scored],
        "rul_upper": None if upper is None else upper[evaluation.scored],
        "padded": predictions.padded,
        "true_health": truth.health,
        "predicted_health": predictions.health,
    }
    columns |= {f"p_{k}": column for k, column in enumerate(predictions.probabilities.T)}
    return pd.DataFrame(columns)


def track_evaluation(
    model: TrainedModel, evaluation: Evaluation, files: Sequence[Path], warn: Callable[[str], None]
) -> None:
    """Log RMSE and NASA score of the last windows, and files, to the trackers of the run.

    Only for a best.pt. `warn` receives a line for each tracker that fails.
    """
    if model.path.name == BEST:
        last = evaluation.metrics.last.capped
        summary = {"test_rmse": last.rmse, "test_nasa": last.nasa}
        attach_results(RunFolder(model.path.parent), model.config, files, summary, warn)
