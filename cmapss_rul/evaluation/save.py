"""`evaluation.json` and `predictions.csv`, and what the trackers of the run receive."""

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
        """Name the files of a checkpoint's evaluation.

        Args:
            checkpoint: `best.pt` gives plain names; another one's name is added to them, so
                that no evaluation overwrites another checkpoint's.
            folder: the checkpoint's own by default.

        >>> EvaluationFiles.of(Path("runs/fd001-s0/last.pt")).metrics.name
        'evaluation-last.json'
        """
        folder = checkpoint.parent if folder is None else folder
        suffix = name_suffix(checkpoint)
        return cls(folder / f"evaluation{suffix}.json", folder / f"predictions{suffix}.csv")

    def check(self) -> None:
        """Check before the evaluation that both files can be written after it."""
        check_writable(self.metrics, self.predictions)


def name_suffix(checkpoint: Path) -> str:
    """Return what the names of a checkpoint's files end in: nothing for `best.pt`.

    >>> name_suffix(Path("runs/fd001-s0/last.pt"))
    '-last'
    """
    return "" if checkpoint.name == BEST else f"-{checkpoint.stem}"


def save(evaluation: Evaluation, files: EvaluationFiles) -> None:
    """Write both files, each atomically; the JSON last, so that where it is, the CSV is too.

    Raises:
        RulError: a file cannot be written; the one of that name is then untouched.
    """
    # in this order: whoever finds the JSON also finds the predictions that it was computed from
    contents = {files.predictions: to_csv(evaluation), files.metrics: to_json(evaluation)}
    for path, content in contents.items():
        save_file(path, content, ANOTHER_FOLDER)


def to_json(evaluation: Evaluation) -> str:
    """Write all metrics with their protocol as strict JSON; what is not finite becomes null."""
    # a NASA score may overflow to infinity, which strict JSON has no number for
    return json_text(finite(evaluation.as_dict())) + "\n"


def to_csv(evaluation: Evaluation) -> str:
    """Write the last window of each engine with all digits: it gives the last-window metrics."""
    return last_window_predictions(evaluation).to_csv(index=False, lineterminator="\n")


def last_window_predictions(evaluation: Evaluation) -> pd.DataFrame:
    """Tabulate prediction and truth of the scored windows: usually the last of each engine."""
    predictions = evaluation.predictions.at(evaluation.scored)
    truth = evaluation.truth.at(evaluation.scored)
    lower, upper = (None, None) if evaluation.bounds is None else evaluation.bounds
    # without intervals their columns stay, empty: readers need no second format
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
    """Add RMSE and NASA score of the last windows, and files, to the tracked run of a best.pt.

    `warn` receives a line for each tracker that fails.
    """
    if model.path.name == BEST:
        last = evaluation.metrics.last.capped
        summary = {"test_rmse": last.rmse, "test_nasa": last.nasa}
        attach_results(RunFolder(model.path.parent), model.config, files, summary, warn)
