"""Campaign: at each call that writes, a full-disk error or SIGKILL.

Each command runs once undisturbed, which counts its calls. Then it runs once for every call and
every kind of disturbance. Afterwards each file under its final name must be the old or the new
one; an error must be one line with exit code 1; and the same command, undisturbed, must give the
same result as the first run, with no partial file left.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from random import Random

from tests.processes import command, fork, wait
from tests.torture.commands import WritingCommand, writing_commands
from tests.torture.counts import Counts
from tests.torture.runs import import_all
from tests.torture.shim import MODES, Mode, Shim


def run(rounds: int, seed: int, names: str = "") -> Counts:
    """Disturb every call of every command, or a random sample of `rounds` cases if that is fewer.

    Args:
        rounds: largest number of cases.
        seed: of the sample.
        names: of the commands, separated by commas; all by default.
    """
    import_all()
    counts = Counts("faults", seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        cases: list[tuple[WritingCommand, int, Mode]] = []
        for writer in writing_commands(place):
            if names and writer.name not in names.split(","):
                continue
            _undisturbed(writer, place)
            cases += [(writer, at + 1, mode) for at in range(len(writer.calls)) for mode in MODES]
        if rounds < len(cases):
            cases = Random(seed).sample(cases, rounds)
        for writer, at, mode in cases:
            found = _disturbed(writer, at, mode, place)
            counts.cases += 1
            counts.kinds[f"{writer.name}: {mode}"] += 1
            if found:
                call = writer.calls[at - 1]
                counts.defects.append(
                    f"{writer.name}: {mode} at call {at} ({call}): {'; '.join(found)[:500]}"
                )
            if len(counts.defects) >= 20:
                break
    return counts


def _undisturbed(writer: WritingCommand, place: Path) -> None:
    """Run a command once; record its calls and keep its result."""
    folder = place / f"expected {writer.name}"
    shutil.copytree(writer.start, folder)
    code, text = _run_command(writer, folder, place, 0, "count")
    if code:
        raise RuntimeError(text)
    writer.calls = (place / "calls").read_text().split()


def _run_command(
    writer: WritingCommand, folder: Path, place: Path, at: int, mode: Mode
) -> tuple[int, str]:
    def task() -> int:
        os.chdir(folder)
        writer.prepare()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        Shim(at, mode, os.open(place / "calls", flags)).install()
        return command(*writer.arguments)()

    code = wait(fork(task, place / "output"))
    return code, (place / "output").read_text()


def _disturbed(writer: WritingCommand, at: int, mode: Mode, place: Path) -> list[str]:
    """Disturb one call, check, run again undisturbed and check; return what is wrong."""
    folder, expected = place / "disturbed", place / f"expected {writer.name}" / writer.target
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
    shutil.copytree(writer.start, folder)
    code, text = _run_command(writer, folder, place, at, mode)
    found = []
    if mode == "fail" and code not in (0, 1):
        found.append(f"exit code {code}")
    if code == 1 and not _one_line(text):
        found.append(f"no single line of error: {text[-300:]}")
    found += writer.broken(writer.start / writer.target, expected, folder / writer.target)
    code, text = _run_command(writer, folder, place, 0, "count")
    if code:
        return [*found, f"again: exit code {code}: {text[-300:]}"]
    return found + writer.unlike(expected, folder / writer.target)


def _one_line(text: str) -> bool:
    errors = [line for line in text.splitlines() if line.startswith("rul: ")]
    return len(errors) == 1 and "Traceback" not in text
