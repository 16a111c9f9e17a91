"""Listing of the runs in a folder, including damaged ones, for `rul runs`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cmapss_rul.config.yaml import read_yaml
from cmapss_rul.data.split import LEAK
from cmapss_rul.system.errors import RulError, one_line, printable
from cmapss_rul.training.checkpoint import MALFORMED_ERRORS, Checkpoint
from cmapss_rul.training.runs import RunFolder, natural_order

State = Literal["finished", "unfinished", "interrupted", "damaged", "no checkpoint"]

_FAULTS = (RulError, OSError, *MALFORMED_ERRORS)
"""Exceptions raised by a malformed file; the listing continues with the next run."""


@dataclass(frozen=True)
class ListedRun:
    """An entry of `rul runs`; unknown values are None.

    Attributes:
        state: 'finished' by epochs or early stopping; 'unfinished', between two epochs and
            possibly training right now; 'interrupted' by a signal within an epoch, and saved;
            'damaged', with the reason in `note`; 'no checkpoint' yet.
        subset: subset of C-MAPSS, or name of the user's own file.
        weight_rul, weight_health: loss weights, means over the steps of the last epoch.
        val_rmse: best RMSE over every cycle of the validation engines, capped labels, cycles.
        test_rmse: last window, capped labels, cycles, if the current best.pt is evaluated.
        when: time of the last write of the checkpoint, UTC.
    """

    name: str
    state: State
    subset: str | None = None
    balancer: str | None = None
    seed: int | None = None
    weight_rul: float | None = None
    weight_health: float | None = None
    val_rmse: float | None = None
    test_rmse: float | None = None
    when: datetime | None = None
    note: str = ""


def list_runs(root: Path) -> list[ListedRun]:
    """List the runs in a folder, in natural order of their names ('s10' after 's9').

    A folder is a run if it has at least one file with the name of a run's.
    """
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    runs = [RunFolder(path) for path in sorted(folders, key=natural_order)]
    return [describe_run(run) for run in runs if _is_run(run)]


def _is_run(run: RunFolder) -> bool:
    try:
        return (
            any(path.exists() for path in (run.config, run.metrics, run.log, run.best))
            or run.resumable
        )
    except OSError:  # a folder without permission is listed as damaged
        return True


def describe_run(run: RunFolder) -> ListedRun:
    """Describe a run folder; never raises, even for damaged files."""
    name = printable(run.path.name)
    try:  # files may contain anything: a foreign file is listed as damaged
        if not (run.best.exists() or run.resumable or run.folds):
            return ListedRun(name, "no checkpoint", **_settings(_read_config(run)))
        if run.folds:
            return _describe_ensemble(name, run)
        best = run.open(run.best) if run.best.exists() else None
        if run.resumable:
            return _describe_checkpoint(name, run)
        if run.metrics.exists():
            raise RulError("last.pt is missing")
        # killed between the first best.pt and the first last.pt
        config = best.config if best else None
        return ListedRun(name, "unfinished", **_settings(config), when=_modified(run.best))
    except _FAULTS as error:
        settings = _settings(_read_config(run))
        return ListedRun(name, "damaged", **settings, note=one_line(_reason(error, run)))


def _describe_checkpoint(name: str, run: RunFolder) -> ListedRun:
    last, damage = run.newest()
    loop = last.loop
    # the batch number is not 0 only if a signal stopped the loop within an epoch
    state: State = "interrupted" if loop.batch else "unfinished"
    if last.is_finished():
        state = "finished"
    trained = bool(loop.best_epoch)
    epoch = loop.history[-1] if loop.history else {}
    if trained and not run.best.exists():
        damage = damage or "best.pt is missing"
    notes = list(_notes(last))
    if damage:
        state, notes = "damaged", [one_line(damage.replace(f"{run}/", "")), *notes]
    test_rmse, reason = _read_test_rmse(run, loop.best_epoch)
    return ListedRun(
        name,
        state,
        **_settings(last.config),
        weight_rul=epoch.get("weight_rul"),
        weight_health=epoch.get("weight_health"),
        val_rmse=loop.history[loop.best_epoch - 1]["val_rmse"] if trained else None,
        test_rmse=test_rmse,
        when=_modified(run.last if run.last.exists() else run.previous),
        note="; ".join([*notes, *([reason] if reason else [])]),
    )


def _describe_ensemble(name: str, run: RunFolder) -> ListedRun:
    """Describe an ensemble; without best.pt, by the state of its latest network."""
    if not run.best.exists():
        latest = describe_run(run.folds[-1])
        state = "unfinished" if latest.state == "finished" else latest.state
        note = f"at fold {run.folds[-1].path.name} of an ensemble"
        note += f": {latest.note}" if latest.note else ""
        return ListedRun(name, state, **_settings(_read_config(run)), when=latest.when, note=note)
    found = run.open(run.best)
    epoch = max((member["loop"]["best_epoch"] for member in found.members), default=0)
    test_rmse, reason = _read_test_rmse(run, epoch)
    folds = f"ensemble of {len(found.members)} folds, val RMSE out of fold"
    return ListedRun(
        name,
        "finished",
        **_settings(found.config),
        val_rmse=found.out_of_fold["val_rmse"],
        test_rmse=test_rmse,
        when=_modified(run.best),
        note="; ".join([folds, *_notes(found), *([reason] if reason else [])]),
    )


def _notes(last: Checkpoint) -> Iterator[str]:
    """Yield caveats about the metrics of a run."""
    if last.config["split"].get("by") == "windows":
        yield LEAK
    if count := len(last.engines.calibration):
        yield f"{count} engines calibrate the intervals, so fewer trained"
    if last.config["data"].get("train") is not None:
        yield "own file"
    elif any(file.simulated for file in last.data.files):
        yield "simulated data"
    elif not all(file.official for file in last.data.files):
        yield "not the official files"


def _read_test_rmse(run: RunFolder, best_epoch: int) -> tuple[float | None, str]:
    """Return the test RMSE from evaluation.json, or the reason why there is none."""
    path = run.path / "evaluation.json"
    if not path.is_file():
        return None, ""
    try:
        found = json.loads(path.read_bytes())
        # an earlier best.pt was evaluated: the run was trained further afterwards
        if found["protocol"]["epoch"] != best_epoch:
            return None, f"evaluation.json is of epoch {int(found['protocol']['epoch'])}"
        return float(found["metrics"]["last"]["capped"]["rmse"]), ""
    except _FAULTS:
        return None, "evaluation.json cannot be read"


def _settings(config: Any) -> dict[str, Any]:
    """Return subset, balancer and seed of a configuration; None for values of a wrong type."""

    def value(kind: type, *keys: str) -> Any:
        found = config
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        # bool is a subclass of int, but `seed: true` is not a seed
        return found if isinstance(found, kind) and not isinstance(found, bool) else None

    own = value(str, "data", "train")
    subset = value(str, "data", "subset") if own is None else Path(own).stem
    balancer = value(str, "balancer", "name")
    return {
        "subset": subset and printable(subset),
        "balancer": balancer and printable(balancer),
        "seed": value(int, "seed"),
    }


def _read_config(run: RunFolder) -> Any:
    try:
        return read_yaml(run.config) if run.config.is_file() else None
    except _FAULTS:
        return None


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _reason(error: BaseException, run: RunFolder) -> str:
    """Return the text of an error, without the folder, which is in another column."""
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).replace(f"{run}/", "")
