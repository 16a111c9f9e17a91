"""`evaluation.json` and `predictions.csv`, beside the checkpoint or where they are wanted."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cmapss_rul.display.text import finite, json_text
from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.system.files import cannot_write, save_file
from cmapss_rul.training.checkpoint import BEST

ADVICE = "; name another place with --output"


@dataclass(frozen=True)
class Targets:
    """Where an evaluation is saved.

    Attributes:
        figures: the JSON.
        predictions: the CSV.
    """

    figures: Path
    predictions: Path

    @classmethod
    def of(cls, checkpoint: Path, folder: Path | None = None) -> "Targets":
        """Name the files of a checkpoint's evaluation.

        Args:
            checkpoint: `best.pt` gives plain names; another one's name is added to them, so
                that no evaluation overwrites another checkpoint's.
            folder: where they go; the checkpoint's own by default.

        >>> Targets.of(Path("runs/fd001-s0/last.pt")).figures.name
        'evaluation-last.json'
        """
        folder = checkpoint.parent if folder is None else folder
        tag = tag_of(checkpoint)
        return cls(folder / f"evaluation{tag}.json", folder / f"predictions{tag}.csv")

    def check(self) -> None:
        """Find out before the work whether both files can be written after it."""
        check_writable(self.figures, self.predictions)


def check_writable(*paths: Path) -> None:
    """Find out before the work whether files of one folder can be written after it.

    The folder is not made yet. Where it is missing, the nearest folder above it is tried, by a
    file that never gets a name, because permission bits do not stop everyone.

    Raises:
        RulError: naming the path and the reason.
    """
    folder = paths[0].parent.absolute()
    try:
        for path in paths:
            if path.is_dir():
                raise cannot_write(path, "a folder of that name is in the way", ADVICE)
        while not folder.exists() and not folder.is_symlink():
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise cannot_write(paths[0].parent, error, ADVICE) from error


def tag_of(checkpoint: Path) -> str:
    """What the names of the files made from a checkpoint carry: nothing for `best.pt`.

    >>> tag_of(Path("runs/fd001-s0/last.pt"))
    '-last'
    """
    return "" if checkpoint.name == BEST else f"-{checkpoint.stem}"


def save(evaluation: Evaluation, targets: Targets) -> None:
    """Write both files, each in one step; the JSON comes last.

    Raises:
        RulError: a file cannot be written; a former one of its name is then untouched.
    """
    contents = {targets.predictions: to_csv(evaluation), targets.figures: to_json(evaluation)}
    for path, content in contents.items():
        save_file(path, content, ADVICE)


def to_json(evaluation: Evaluation) -> str:
    """All figures with their protocol as strict JSON: what is not finite becomes null."""
    return json_text(finite(evaluation.as_dict())) + "\n"


def to_csv(evaluation: Evaluation) -> str:
    """The last window of each engine, with every digit, so that each figure follows from it."""
    return table_of_last(evaluation).to_csv(index=False, lineterminator="\n")


def table_of_last(evaluation: Evaluation) -> pd.DataFrame:
    """One row an engine: the prediction at its last window, and the truth."""
    predictions = evaluation.predictions.at(evaluation.last)
    truth = evaluation.truth.at(evaluation.last)
    lower, upper = (None, None) if evaluation.ends is None else evaluation.ends
    columns: dict[str, Any] = {
        "engine": predictions.engine,
        "cycle": predictions.cycle,
        "true_rul_raw": truth.raw,
        "true_rul_capped": truth.capped,
        "predicted_rul": predictions.rul,
        "predicted_rul_unclamped": predictions.unclamped,
        "rul_lower": None if lower is None else lower[evaluation.last],
        "rul_upper": None if upper is None else upper[evaluation.last],
        "padded": predictions.padded,
        "true_health": truth.health,
        "predicted_health": predictions.health,
    }
    columns |= {f"p_{k}": column for k, column in enumerate(predictions.probabilities.T)}
    return pd.DataFrame(columns)
