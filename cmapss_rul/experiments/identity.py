"""Digests of configurations, grids and evaluated runs, and differences between grids."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmapss_rul.evaluation.save import EvaluationFiles
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.config import RunConfig, changed_keys, fill_defaults, flatten
from cmapss_rul.training.runs import RunFolder


def comparable(config: RunConfig) -> dict[str, Any]:
    """Return the plain configuration that defines a cell: without paths, seed and threads."""
    plain = config.without_paths()
    del plain["seed"], plain["train"]["threads"]
    return plain


def config_digest(config: RunConfig) -> str:
    """Return the SHA-256 of a configuration without paths, seed and threads."""
    return digest_of(comparable(config))


def digest_of(plain: Any) -> str:
    """Return the SHA-256 of plain values, independent of the order of keys.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    # must not change: digests are in folder names and saved ledgers
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(previous: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe the differences between the identities of two grids, one text per key."""
    changes = [
        f"{key} was {previous.get(key)} and is {now.get(key)}"
        for key in ("seeds", "oracle")
        if previous.get(key) != now.get(key)
    ]
    then, here = previous.get("cells", {}), now.get("cells", {})
    changes += [f"it also has the cell '{name}'" for name in then if name not in here]
    changes += [f"it lacks the cell '{name}'" for name in here if name not in then]
    for name in [name for name in here if name in then]:
        # keys added since have their default in the former grid, so they count as equal
        one, other = flatten(fill_defaults(then[name])), flatten(here[name])
        changed = changed_keys(one, other, but={"seed", "train.threads"})
        changes += [f"{name}: {change}" for change in changed]
    return changes


def as_text(value: Any) -> str:
    """Format a value as a user would type it.

    >>> as_text("huber"), as_text([64, 64]), as_text(None), as_text(0.5)
    ('huber', '[64, 64]', 'null', '0.5')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class EvaluationIndex:
    """Index of evaluated runs, so that no test-set evaluation is repeated.

    evaluation-index.json has the digests of each run's checkpoint and evaluation files; an
    unreadable file counts as an empty index.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "evaluation-index.json"
        former = folder / "looked.json"  # its name before 2026-11-30
        try:
            digests = json.loads((self._path if self._path.exists() else former).read_bytes())
        except (OSError, ValueError, RecursionError):  # at worst, runs are evaluated again
            digests = {}
        self._digests = digests if isinstance(digests, dict) else {}

    def has(self, name: str, folder: Path, best_sha256: str) -> bool:
        """Whether a run was evaluated, and neither its best.pt nor its results have changed."""
        known = self._digests.get(name)
        return known is not None and known == _evaluation_digests(folder, best_sha256)

    def add(self, runs: Mapping[str, tuple[Path, str]]) -> None:
        """Add evaluated runs, by name: folder and SHA-256 of best.pt."""
        self._digests |= {name: _evaluation_digests(*run) for name, run in runs.items()}
        write_atomic(self._path, json.dumps(self._digests, indent=1) + "\n")


def _evaluation_digests(folder: Path, best_sha256: str) -> dict[str, str] | None:
    best = RunFolder(folder).best
    targets = EvaluationFiles.of(best)
    try:
        return {best.name: best_sha256} | {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (targets.metrics, targets.predictions)
        }
    except OSError:
        return None
