"""Which runs were evaluated, and from which weights: so that none is evaluated twice."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cmapss_rul.evaluation.save import EvaluationFiles
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.runs import RunFolder


class Looked:
    """Digests of checkpoint and evaluation of each run, kept in one file.

    Args:
        path: of the file; anything that is no such file counts as nothing looked at.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            found = {}
        self._digests = found if isinstance(found, dict) else {}

    def holds(self, name: str, folder: Path) -> bool:
        """Whether a run was evaluated and nothing has changed since."""
        known = self._digests.get(name)
        return known is not None and known == _digests(folder)

    def note(self, runs: Mapping[str, Path]) -> None:
        """Note runs as evaluated, beside those noted before, all in one step.

        Args:
            runs: name → folder.
        """
        self._digests |= {name: _digests(folder) for name, folder in runs.items()}
        write_atomic(self._path, json.dumps(self._digests, indent=1) + "\n")


def _digests(folder: Path) -> dict[str, str] | None:
    best = RunFolder(folder).best
    targets = EvaluationFiles.of(best)
    try:
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (best, targets.metrics, targets.predictions)
        }
    except OSError:
        return None
