"""The commands that write, for the campaign of faults: their start folders and invariants.

`scripts/rerun-cell` writes only through the code of `rul compare`, which is here with a ledger.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cmapss_rul.system.locks import LOCK, OWNER
from tests.experiments.inputs import run_in_process
from tests.processes import command, fork, wait
from tests.torture.runs import broken, configuration, fleets, unlike, unlike_checkpoints

_SHORT = ["--set", "train.epochs=3", "--set", "train.window_share=0.01"]
_ONE = ["--set", "train.epochs=1", "--set", "train.window_share=0.01"]

Broken = Callable[[Path, Path, Path], list[str]]
"""Former, expected and found folder → violations of invariants."""


@dataclass
class WritingCommand:
    """A command, and the invariants of the folder that it writes.

    Attributes:
        name: in the counts.
        arguments: of `rul`, run in a fresh copy of `start`.
        start: folder before the command.
        target: the folder that it writes, inside the copy.
        broken: returns violations of its invariants.
        unlike: returns how the result differs from the expected one.
        prepare: called in the process before its calls are counted.
        calls: that write, in order.
    """

    name: str
    arguments: list[str]
    start: Path
    target: str
    broken: Broken
    unlike: Callable[[Path, Path], list[str]]
    prepare: Callable[[], None] = lambda: None
    calls: list[str] = field(default_factory=list)


def writing_commands(place: Path) -> list[WritingCommand]:
    """Return all commands that write, each with its start folder.

    Args:
        place: an empty folder.
    """
    fleets(place / "data")
    source = shutil.copytree(place / "data", place / "source")
    (source / "manifest_FD001.json").unlink()
    config = str(configuration(place, place / "data", "gradnorm"))
    empty, ready, grids, fresh = (place / name for name in ("empty", "ready", "grids", "fresh"))
    shutil.copytree(place / "data", fresh / "data")  # before training leaves a cache there
    for folder in (empty, ready / "out", grids):
        folder.mkdir(parents=True)
    train = ["train", "-c", config, *_SHORT]
    _must(command(*train, "--output", ready / "run"), place)
    for name in ("run/evaluation.json", "run/predictions.csv", "out/model.pt2", "out/rul.csv"):
        (ready / name).write_text("former")
    compare = ["compare", "-c", config, *_ONE, "--output", "grid", "--ledger", "ledger.json"]
    former = [*compare[:-3], str(place / "former"), "--ledger", str(grids / "ledger.json")]
    _must(command(*former, "--balancer", "fixed", "--seeds", "1"), place, steady)
    rows = str(place / "data" / "test_FD001.txt")
    files, same = _former_or_new, _the_same
    return [
        WritingCommand(
            "train",
            [*train, "--output", "run", "--resume", "auto"],
            empty,
            "run",
            lambda _former, _expected, found: broken(found),
            unlike,
        ),
        WritingCommand(
            "cache",
            ["train", "-c", config, *_ONE, "--data", "data", "--output", "run", "--resume", "auto"],
            fresh,
            "data",
            files,
            _none_else,
        ),
        WritingCommand("evaluate", ["evaluate", "run"], ready, "run", files, same),
        WritingCommand(
            "calibrate", ["calibrate", "run", "--level", "0.5"], ready, "run", files, same
        ),
        WritingCommand(
            "predict", ["predict", "run", rows, "-o", "out/rul.csv"], ready, "out", files, same
        ),
        WritingCommand(
            "export",
            ["export", "run", "--format", "torch-export", "--output", "out/model.pt2"],
            ready,
            "out",
            files,
            same,
        ),
        WritingCommand("report", ["report", "run"], ready, "run", files, same, unrendered),
        WritingCommand(
            "compare",
            [*compare, "--seeds", "2", "--oracle"],
            grids,
            ".",
            _broken_grid,
            _unlike_grid,
            steady,
        ),
        WritingCommand(
            "simulate",
            ["simulate", "--output", "data", "--engines", "3"],
            empty,
            "data",
            files,
            same,
        ),
        WritingCommand(
            "download-data",
            ["download-data", "--subset", "FD001", "--data", "data", "--source", str(source)],
            empty,
            "data",
            files,
            same,
        ),
    ]


def _must(task: Callable[[], int], place: Path, prepare: Callable[[], None] | None = None) -> None:
    def prepared() -> int:
        if prepare is not None:
            prepare()
        return task()

    if wait(fork(prepared, place / "output")):
        raise RuntimeError((place / "output").read_text())


def steady() -> None:
    """Make a comparison reproduce the same bytes, in this process, with one plot.

    Equal comparisons differ only in times and the commit. The shim does not reach into worker
    processes, which the campaign `kills` covers.
    """
    from cmapss_rul.experiments import compare, executors, plots
    from cmapss_rul.training import loop

    loop.time.perf_counter = lambda: 0.0  # type: ignore[attr-defined]
    compare.commit = lambda: None  # type: ignore[attr-defined]
    executors.run_jobs = run_in_process
    for name in ("plot_learning_curves", "plot_weights", "plot_ranks", "plot_oracle_optimism"):
        setattr(plots, name, lambda *_: None)


def unrendered() -> None:
    """Replace every plot by a few bytes: rendering takes seconds and writes nothing."""
    from matplotlib.figure import Figure

    from tests.reports.inputs import save_placeholder

    Figure.savefig = save_placeholder  # type: ignore[method-assign]


def _files(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (LOCK, OWNER)
    }


def _former_or_new(former: Path, expected: Path, folder: Path) -> list[str]:
    """Return files under their final names that are neither the former nor the new one."""
    old, new = _files(former), _files(expected)
    return [
        f"{name} is neither the former nor the new one"
        for name, content in _files(folder).items()
        if not _hidden(name) and content not in (old.get(name), new.get(name))
    ]


def _hidden(name: str) -> bool:
    return Path(name).name.startswith(".")


def _the_same(expected: Path, folder: Path) -> list[str]:
    """Return differences of two folders, except for the locks of dead processes."""
    one, other = _files(expected), _files(folder)
    names = one.keys() | other.keys()
    return [f"{name} differs" for name in sorted(names) if one.get(name) != other.get(name)]


def _none_else(expected: Path, folder: Path) -> list[str]:
    """Return files that differ from the expected ones; a cache may lack some of them."""
    one, other = _files(expected), _files(folder)
    return [f"{name} differs" for name in sorted(other) if one.get(name) != other[name]]


# ---- a grid: its runs are compared as those of `rul train` ----------------------------------

_OF_RUNS = ("best.pt", "last.pt", "previous.pt", "metrics.csv", "train.log", "config.yaml")
_GROWING = "oracle.csv"
_DIGESTS = "evaluation-index.json"


def _broken_grid(former: Path, expected: Path, folder: Path) -> list[str]:
    """Return violations of the invariants of a grid: broken runs and partial files."""
    found = [text for run in (folder / "grid" / "runs").glob("*") for text in broken(run)]
    new = _files(expected)
    for text in _former_or_new(former, expected, folder):
        name = text.partition(" ")[0]
        content = (folder / name).read_bytes()
        if Path(name).name == _GROWING:  # a row per epoch
            whole = content.endswith(b"\n") and new[name].startswith(content)
        elif Path(name).name == _DIGESTS:  # of checkpoints, which hold times
            whole = json.loads(content).keys() <= json.loads(new[name]).keys()
        else:
            whole = Path(name).name in _OF_RUNS
        if not whole:
            found.append(text)
    return found


def _unlike_grid(expected: Path, folder: Path) -> list[str]:
    """Return how a finished grid and its ledger differ from the undisturbed ones."""
    found = [
        text
        for text in _the_same(expected, folder)
        if Path(text.partition(" ")[0]).name not in (*_OF_RUNS, _DIGESTS)
    ]
    for run in (expected / "grid" / "runs").iterdir():
        found += unlike_checkpoints(run, folder / "grid" / "runs" / run.name)
    return found
