"""Campaign: SIGKILL at random moments of `rul train`, then the same command until it is done.

    straight:  fork --> rul train -----------------------------------> end
    disturbed: fork --> rul train --> SIGKILL --> … --> rul train ----> end
                                        |                               |
                                   files whole?                   the same run?

Most processes are forks of this one, so that a kill costs a fraction of a second and falls
into the run itself; every tenth case is a process of its own, whose start can be killed too.
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

from tests.torture.counts import Counts, command, fork, wait
from tests.torture.runs import alone, balancers, broken, configuration, fleets, unlike

ROOT = Path(__file__).parents[2]
_KILLS_A_CASE = 3
_FRESH = 10


@dataclass
class Case:
    """A configuration, its undisturbed run, and how long that took."""

    config: Path
    expected: Path
    seconds: float


def run(rounds: int, seed: int) -> Counts:
    """Kill until `rounds` processes were killed at work.

    Args:
        rounds: kills.
        seed: of their moments.
    """
    alone()
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
    code = wait(fork(command("train", "-c", config, "--output", expected), place / "said"))
    if code:
        raise RuntimeError((place / "said").read_text())
    return Case(config, expected, time.perf_counter() - start)


def _disturbed(case: Case, random: Random, counts: Counts, kills: int) -> None:
    """One run with some kills, taken up until it is done."""
    number, folder, said = counts.cases, Path("runs") / f"{case.config.stem}-s0", Path("said")
    counts.cases += 1
    fresh = number % _FRESH == _FRESH - 1
    start = _own_process if fresh else _forked
    words = ("train", "-c", case.config, "--resume", "auto")
    for _ in range(kills):
        seconds = random.uniform(0, case.seconds + (2.5 if fresh else 0))
        if not _killed(start(words, said), seconds):
            break
        counts.kinds["killed"] += 1
        counts.kinds["killed: own process" if fresh else "killed: fork"] += 1
        counts.kinds[f"killed with {_stage(folder)}"] += 1
        _note(counts, number, case, broken(folder) if folder.exists() else [])
    code = wait(fork(command(*words), said))
    if code:
        _note(counts, number, case, [f"exit code {code}: {said.read_text()}"])
    else:
        _note(counts, number, case, unlike(case.expected, folder))
    if folder.exists():
        folder.rename(f"done-{number}")


def _stage(folder: Path) -> str:
    """How far a killed run had come, by its files."""
    half = any(path.name.endswith(".part") for path in folder.glob(".*"))
    stages = (("previous.pt", "two checkpoints"), ("last.pt", "one checkpoint"))
    stage = next((text for name, text in stages if (folder / name).exists()), "none yet")
    return stage + (" and a half file" if half else "")


def _note(counts: Counts, number: int, case: Case, found: list[str]) -> None:
    if found:
        where = f"case {number} ({case.config.stem}), seed {counts.seed}"
        counts.defects.append(f"{where}: {'; '.join(found)[:500]}")


def _forked(words: tuple[object, ...], said: Path) -> int:
    return fork(command(*words), said)


def _own_process(words: tuple[object, ...], said: Path) -> int:
    with said.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "cmapss_rul", *map(str, words)],
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ).pid


def _killed(child: int, seconds: float) -> bool:
    """Kill a child after so many seconds; False where it had ended before."""
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return wait(child) == -signal.SIGKILL
