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
from pathlib import Path
from random import Random

from tests.torture.counts import Counts, command, fork, wait
from tests.torture.runs import alone
from tests.torture.shim import MODES, Mode, Shim
from tests.torture.verbs import Verb, verbs


def run(rounds: int, seed: int, names: str = "") -> Counts:
    """Disturb every call of every verb; `rounds` of all, drawn by the seed, where it is fewer.

    Args:
        rounds: cases.
        seed: of what is drawn.
        names: of the verbs, with commas; all by default.
    """
    alone()
    counts = Counts("faults", seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        cases: list[tuple[Verb, int, Mode]] = []
        for verb in verbs(place):
            if names and verb.name not in names.split(","):
                continue
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
        verb.prepare()
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
    found += verb.broken(verb.start / verb.target, expected, folder / verb.target)
    code, text = _start(verb, folder, place, 0, "count")
    if code:
        return [*found, f"again: exit code {code}: {text[-300:]}"]
    return found + verb.unlike(expected, folder / verb.target)


def _one_line(text: str) -> bool:
    errors = [line for line in text.splitlines() if line.startswith("rul: ")]
    return len(errors) == 1 and "Traceback" not in text
