"""Campaign: at each call that writes, an error as from a full disk, or SIGKILL.

Each verb runs once undisturbed, which counts its calls. Then it runs anew for every call and
every way of disturbing it. Afterwards each file under its own name must be the former or the
new one; an error must be one line and exit code 1; and the same command, undisturbed, must
come to the end that the first one came to, with no half file left.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from cmapss_rul.data.simulate import simulate
from cmapss_rul.locks import LOCK, OWNER
from tests.torture.counts import Counts, command, fork, wait
from tests.torture.runs import alone, broken, configuration, unlike
from tests.torture.shim import MODES, Mode, Shim

_SHORT = ["--set", "train.epochs=3", "--set", "train.window_share=0.01"]


@dataclass
class Verb:
    """A command, and what must hold of the folder that it writes.

    Attributes:
        name: in the counts.
        words: of the command, run in a fresh copy of `start`.
        start: folder that it begins with.
        target: the folder that it writes, inside the copy.
        broken: what must never be seen there.
        unlike: how the end differs from the expected one.
    """

    name: str
    words: list[str]
    start: Path
    target: str
    broken: Callable[[Path, Path], list[str]]
    unlike: Callable[[Path, Path], list[str]]
    calls: list[str] = field(default_factory=list)


def run(rounds: int, seed: int) -> Counts:
    """Disturb every call of every verb; `rounds` of all, drawn by the seed, where it is fewer."""
    alone()
    counts = Counts("faults", seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        verbs = _verbs(place)
        cases: list[tuple[Verb, int, Mode]] = []
        for verb in verbs:
            _undisturbed(verb, place)
            cases += [(verb, at + 1, mode) for at in range(len(verb.calls)) for mode in MODES]
        if rounds < len(cases):
            cases = Random(seed).sample(cases, rounds)
        for verb, at, mode in cases:
            found = _disturbed(verb, at, mode, place)
            counts.cases += 1
            counts.kinds[f"{verb.name}: {mode}"] += 1
            if found:
                call = verb.calls[at - 1]
                counts.defects.append(
                    f"{verb.name}: {mode} at call {at} ({call}): {'; '.join(found)[:500]}"
                )
            if len(counts.defects) >= 20:
                break
    return counts


def _verbs(place: Path) -> list[Verb]:
    """The verbs that write, each with its beginning."""
    simulate(place / "data", engines=8)
    shutil.copytree(place / "data", place / "source")
    (place / "source" / "manifest_FD001.json").unlink()
    config = configuration(place, place / "data", "gradnorm")
    empty = place / "empty"
    empty.mkdir()
    trained = place / "trained"
    trained.mkdir()
    words = ["train", "-c", str(config), *_SHORT]
    _must(command(*words, "--output", trained / "run"), place)
    evaluated = place / "evaluated"
    shutil.copytree(trained, evaluated)
    for name in ("evaluation.json", "predictions.csv"):
        (evaluated / "run" / name).write_text("former")
    files, same = _former_or_new, _the_same
    return [
        Verb("train", [*words, "--output", "run", "--resume", "auto"], empty, "run",
             lambda _, found: broken(found) if found.is_dir() else [], unlike),
        Verb("evaluate", ["evaluate", "run"], evaluated, "run", files, same),
        Verb("simulate", ["simulate", "--out", "data", "--engines", "3"], empty, "data", files,
             same),
        Verb("download-data", ["download-data", "--subset", "FD001", "--dir", "data", "--source",
             str(place / "source")], empty, "data", files, same),
    ]  # fmt: skip


def _must(task: Callable[[], int], place: Path) -> None:
    if wait(fork(task, place / "said")):
        raise RuntimeError((place / "said").read_text())


def _undisturbed(verb: Verb, place: Path) -> None:
    """Run a verb once; note its calls and keep its end."""
    folder = place / f"expected {verb.name}"
    shutil.copytree(verb.start, folder)
    code, text = _start(verb, folder, place, 0, "count")
    if code:
        raise RuntimeError(text)
    verb.calls = (place / "calls").read_text().split()


def _start(verb: Verb, folder: Path, place: Path, at: int, mode: Mode) -> tuple[int, str]:
    def task() -> int:
        os.chdir(folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        Shim(at, mode, os.open(place / "calls", flags)).install()
        return command(*verb.words)()

    code = wait(fork(task, place / "said"))
    return code, (place / "said").read_text()


def _disturbed(verb: Verb, at: int, mode: Mode, place: Path) -> list[str]:
    """Disturb one call, look, and do it again undisturbed; returns what is wrong."""
    folder, expected = place / "disturbed", place / f"expected {verb.name}" / verb.target
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
    shutil.copytree(verb.start, folder)
    code, text = _start(verb, folder, place, at, mode)
    found = []
    if mode == "fail" and code not in (0, 1):
        found.append(f"exit code {code}")
    if code == 1 and not _one_line(text):
        found.append(f"no single line of error: {text[-300:]}")
    found += verb.broken(expected, folder / verb.target)
    code, text = _start(verb, folder, place, 0, "count")
    if code:
        return [*found, f"again: exit code {code}: {text[-300:]}"]
    return found + verb.unlike(expected, folder / verb.target)


def _one_line(text: str) -> bool:
    errors = [line for line in text.splitlines() if line.startswith("rul: ")]
    return len(errors) == 1 and "Traceback" not in text


def _files(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _former_or_new(expected: Path, folder: Path) -> list[str]:
    """Files under their own names that are neither."""
    new = _files(expected)
    return [
        f"{name} is neither the former nor the new one"
        for name, content in _files(folder).items()
        if not name.startswith(".") and content not in (new.get(name), b"former")
    ]


def _the_same(expected: Path, folder: Path) -> list[str]:
    """Differences of two folders; the lock of a dead process may lie there, and hinders nobody."""
    one, other = _files(expected), _files(folder)
    names = (one.keys() | other.keys()) - {LOCK, OWNER}
    return [f"{name} differs" for name in names if one.get(name) != other.get(name)]
