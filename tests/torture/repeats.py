"""Campaign: the same command in surroundings that must not matter, and the same run each time."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.torture.counts import Counts
from tests.torture.runs import balancers, configuration, fleets, unlike
from tests.training.inputs import rows_of

ROOT = Path(__file__).parents[2]
LOCALES = ("C", "C.UTF-8", "POSIX", "de_DE.UTF-8", "tr_TR.UTF-8")
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati")


def run(rounds: int, seed: int) -> Counts:
    """Train each case twice, with one thread and with two, in other surroundings each time.

    Args:
        rounds: cases.
        seed: of the surroundings.
    """
    counts, random = Counts("repeats", seed), Random(seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        fleets(place / "data")
        names = balancers()
        for number in range(rounds):
            balancer, threads = names[number // 2 % len(names)], number % 2 + 1
            config = configuration(place, place / "data", balancer)
            one = trained(config, place / f"{number} one", threads, random)
            other = trained(config, place / f"{number} other", threads, random)
            counts.cases += 1
            counts.kinds[f"threads {threads}"] += 1
            found = unlike(one, other)
            if figures(one) != figures(other):
                found.append("the text of metrics.csv differs")
            if found:
                counts.defects.append(f"case {number} ({balancer}), seed {seed}: {found}")
    return counts


def trained(config: Path, folder: Path, threads: int, random: Random) -> Path:
    """Train in a process of its own, in surroundings drawn by chance; returns the run."""
    desk = folder / random.choice(("a desk", "ein Schreibtisch", "机"))
    desk.mkdir(parents=True)
    surroundings = {
        "PYTHONHASHSEED": str(random.randrange(2**32)),
        "LC_ALL": random.choice(LOCALES),
        "TZ": random.choice(ZONES),
        "PYTHONPATH": str(ROOT),
    }
    words = ("train", "-c", str(config), "--output", "run", "--set", f"train.threads={threads}")
    subprocess.run(
        [sys.executable, "-m", "cmapss_rul", *words],
        cwd=desk,
        env={**os.environ, **surroundings},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    assert rows_of(desk / "run" / "metrics.csv")
    return desk / "run"


def figures(run: Path) -> list[bytes]:
    """Lines of metrics.csv as they are, less the two columns of times."""
    lines = (run / "metrics.csv").read_bytes().split(b"\n")
    return [line.rsplit(b",", 2)[0] for line in lines]
