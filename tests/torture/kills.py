"""Campaign: SIGKILL at random times of `rul train`, then the same command until it is done.

    straight:  fork --> rul train -----------------------------------> end
    disturbed: fork --> rul train --> SIGKILL --> … --> rul train ----> end
                                        |                               |
                                   files whole?                   the same run?

Most processes are forks of this one, so that a case takes a fraction of a second and the kill
falls into the training itself; every tenth case is a new process, whose start can be killed, too.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.processes import command, fork, wait
from tests.torture.counts import Counts
from tests.torture.runs import (
    balancers,
    broken,
    configuration,
    fleets,
    import_all,
    unlike,
)

ROOT = Path(__file__).parents[2]
_KILLS_A_CASE = 3
_FRESH = 10


@dataclass
class Case:
    """A configuration, its undisturbed run, and the duration of that."""

    config: Path
    expected: Path
    seconds: float


def run(rounds: int, seed: int) -> Counts:
    """Kill until `rounds` processes were killed while running.

    Args:
        rounds: kills.
        seed: of their times.
    """
    import_all()
    counts, random = Counts("kills", seed), Random(seed)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        place = Path(name)
        fleets(place / "data")
        cases: dict[str, Case] = {}
        names = balancers()
        while counts.kinds["killed"] < rounds and len(counts.defects) < 20:
            balancer = names[counts.cases % len(names)]
            if balancer not in cases:
                cases[balancer] = _straight(place, balancer)
            _disturbed(cases[balancer], random, counts, min(rounds, _KILLS_A_CASE))
    return counts


def _straight(place: Path, balancer: str) -> Case:
    config = configuration(place, place / "data", balancer)
    expected = place / "straight" / config.stem
    start = time.perf_counter()
    code = wait(fork(command("train", "-c", config, "--output", expected), place / "output"))
    if code:
        raise RuntimeError((place / "output").read_text())
    return Case(config, expected, time.perf_counter() - start)


def _disturbed(case: Case, random: Random, counts: Counts, kills: int) -> None:
    """Kill one run several times, resuming it each time, until it is done."""
    number, folder, output = counts.cases, Path("runs") / f"{case.config.stem}-s0", Path("output")
    counts.cases += 1
    fresh = number % _FRESH == _FRESH - 1
    start = _own_process if fresh else _forked
    arguments = ("train", "-c", case.config, "--resume", "auto")
    for _ in range(kills):
        seconds = random.uniform(0, case.seconds + (2.5 if fresh else 0))
        if not _killed(start(arguments, output), seconds):
            break
        counts.kinds["killed"] += 1
        counts.kinds["killed: own process" if fresh else "killed: fork"] += 1
        counts.kinds[f"killed with {_stage(folder)}"] += 1
        _note(counts, number, case, broken(folder) if folder.exists() else [])
    code = wait(fork(command(*arguments), output))
    if code:
        _note(counts, number, case, [f"exit code {code}: {output.read_text()}"])
    else:
        _note(counts, number, case, unlike(case.expected, folder))
    if folder.exists():
        folder.rename(f"done-{number}")


def _stage(folder: Path) -> str:
    """Return the progress of a killed run, by its files."""
    partial = any(path.name.endswith(".part") for path in folder.glob(".*"))
    stages = (("previous.pt", "two checkpoints"), ("last.pt", "one checkpoint"))
    stage = next((text for name, text in stages if (folder / name).exists()), "none yet")
    return stage + (" and a partial file" if partial else "")


def _note(counts: Counts, number: int, case: Case, found: list[str]) -> None:
    if found:
        where = f"case {number} ({case.config.stem}), seed {counts.seed}"
        counts.defects.append(f"{where}: {'; '.join(found)[:500]}")


def _forked(arguments: tuple[object, ...], output: Path) -> int:
    return fork(command(*arguments), output)


def _own_process(arguments: tuple[object, ...], output: Path) -> int:
    with output.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "cmapss_rul", *map(str, arguments)],
            stdout=file,
            stderr=file,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ).pid


def _killed(child: int, seconds: float) -> bool:
    """Kill a child after so many seconds; False if it had ended before."""
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return wait(child) == -signal.SIGKILL
