"""What lies in a folder of runs, whatever state it is in."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cmapss_rul.config.yaml import read_yaml
from cmapss_rul.data.split import LEAK
from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import RulError
from cmapss_rul.training import checkpoint
from cmapss_rul.training.runs import RunFolder, finished, newest

State = Literal["finished", "unfinished", "interrupted", "damaged", "no checkpoint"]

_FAULTS = (RulError, OSError, *checkpoint.MISSHAPEN)
"""All that a strange file raises: a list of runs goes on to the next one."""


@dataclass(frozen=True)
class Listed:
    """One run of a list; what is not known is None.

    Attributes:
        name: of the folder.
        state: 'finished' by its epochs or early stopping; 'unfinished' between two epochs,
            which it may be training right now; 'interrupted' inside an epoch by a signal, and
            saved; 'damaged', with the reason in `note`; 'no checkpoint' yet.
        subset: of C-MAPSS, or the name of the user's own file.
        balancer: name.
        seed: of the run.
        val_rmse: the lowest over every cycle of the validation engines, capped, cycles.
        test_rmse: last window, capped, cycles, of an evaluation of the present best.pt.
        when: the checkpoint was last written, in UTC.
        note: what must be said beside the figures.
    """

    name: str
    state: State
    subset: str | None = None
    balancer: str | None = None
    seed: int | None = None
    val_rmse: float | None = None
    test_rmse: float | None = None
    when: datetime | None = None
    note: str = ""


def list_runs(root: Path) -> list[Listed]:
    """List the run folders in a folder, by name; 's10' comes after 's9'.

    A folder counts as a run that holds at least one file by the name of a run's.

    Args:
        root: the folder; where there is none, there are no runs.
    """
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    runs = [RunFolder(path) for path in sorted(folders, key=_natural)]
    return [look_at(run) for run in runs if _is_run(run)]


def _natural(path: Path) -> list[Any]:
    """Digits of a name compare as numbers: texts and numbers alternate, so types never mix."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def _is_run(run: RunFolder) -> bool:
    try:
        return (
            any(path.exists() for path in (run.config, run.metrics, run.log, run.best)) or run.saved
        )
    except OSError:  # a folder that may not be entered is listed as damaged
        return True


def look_at(run: RunFolder) -> Listed:
    """Say what is in a run folder; never fails over what stands in its files."""
    name = printable(run.path.name)
    try:
        if not (run.best.exists() or run.saved):
            return Listed(name, "no checkpoint", **_settings(_config_file(run)))
        best = checkpoint.read(run.best) if run.best.exists() else {}
        if run.saved:
            return _from_checkpoint(name, run)
        if run.metrics.exists():
            raise RulError("last.pt is missing")
        # killed between its first best.pt and its first last.pt
        return Listed(name, "unfinished", **_settings(best["config"]), when=_when(run.best))
    except _FAULTS as error:
        return Listed(
            name, "damaged", **_settings(_config_file(run)), note=one_line(_reason(error, run))
        )


def _from_checkpoint(name: str, run: RunFolder) -> Listed:
    content, wrong = newest(run)
    loop = content["loop"]
    state: State = (
        "finished" if finished(content) else "interrupted" if loop["batch"] else "unfinished"
    )
    notes = [LEAK] if content["config"]["split"].get("by") == "windows" else []
    kept = content["split"].get("calibration", [])
    if kept:
        notes.append(f"{len(kept)} engines calibrate the intervals, so fewer trained")
    files = [content["data"], *content["data"]["auxiliary"]]
    if content["config"]["data"].get("train") is not None:
        notes.append("own file")
    elif any(file["simulated"] for file in files):
        notes.append("simulated data")
    elif not all(file["official"] for file in files):
        notes.append("not the official files")
    trained = bool(loop["best_epoch"])
    if trained and not run.best.exists():
        wrong = wrong or "best.pt is missing"
    if wrong:
        state, notes = "damaged", [one_line(wrong.replace(f"{run}/", "")), *notes]
    test_rmse, word = _tested(run, loop["best_epoch"])
    return Listed(
        name,
        state,
        **_settings(content["config"]),
        val_rmse=float(loop["best_rmse"]) if trained else None,
        test_rmse=test_rmse,
        when=_when(run.last if run.last.exists() else run.previous),
        note="; ".join([*notes, *([word] if word else [])]),
    )


def _tested(run: RunFolder, best_epoch: int) -> tuple[float | None, str]:
    """Test RMSE from evaluation.json, and a word about why there is none."""
    path = run.path / "evaluation.json"
    if not path.is_file():
        return None, ""
    try:
        found = json.loads(path.read_bytes())
        if found["protocol"]["epoch"] != best_epoch:
            return None, f"evaluation.json is of epoch {int(found['protocol']['epoch'])}"
        return float(found["metrics"]["last"]["capped"]["rmse"]), ""
    except _FAULTS:
        return None, "evaluation.json cannot be read"


def _settings(config: Any) -> dict[str, Any]:
    """Subset, balancer and seed of a configuration, as far as they are what they should be."""

    def value(kind: type, *keys: str) -> Any:
        found = config
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, kind) and not isinstance(found, bool) else None

    own = value(str, "data", "train")
    texts = {"subset": ("data", "subset"), "balancer": ("balancer", "name")}
    named = {key: value(str, *keys) for key, keys in texts.items()}
    if own is not None:
        named["subset"] = Path(own).stem
    return {
        **{key: None if text is None else printable(text) for key, text in named.items()},
        "seed": value(int, "seed"),
    }


def _config_file(run: RunFolder) -> Any:
    try:
        return read_yaml(run.config) if run.config.is_file() else None
    except _FAULTS:
        return None


def _when(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _reason(error: BaseException, run: RunFolder) -> str:
    """The error's text, without the folder, whose name stands beside it."""
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).replace(f"{run}/", "")
