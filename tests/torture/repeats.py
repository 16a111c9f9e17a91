"""Campaign: the same command in different environments must give the same run."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.torture.counts import Counts
from tests.torture.runs import balancers, configuration, fleets, unlike
from tests.training.inputs import metric_rows

ROOT = Path(__file__).parents[2]
LOCALES = ("C", "C.UTF-8", "POSIX", "de_DE.UTF-8", "tr_TR.UTF-8")
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati")


def run(rounds: int, seed: int) -> Counts:
    """Train each case twice, with one thread or with two, in different environments.

    Args:
        rounds: cases.
        seed: of the environments.
    """
    counts, random = Counts("repeats", seed), Random(seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        fleets(place / "data")
        names = balancers()
        for number in range(rounds):
            balancer, threads = names[number // 2 % len(names)], number % 2 + 1
            config = configuration(place, place / "data", balancer)
            one = train(config, place / f"{number} one", threads, random)
            other = train(config, place / f"{number} other", threads, random)
            counts.cases += 1
            counts.kinds[f"threads {threads}"] += 1
            found = unlike(one, other)
            if metrics_text(one) != metrics_text(other):
                found.append("the text of metrics.csv differs")
            if found:
                counts.defects.append(f"case {number} ({balancer}), seed {seed}: {found}")
    return counts


def train(config: Path, folder: Path, threads: int, random: Random) -> Path:
    """Train in a new process in a random environment; return the run."""
    place = folder / random.choice(("a desk", "ein Schreibtisch", "机"))
    place.mkdir(parents=True)
    environment = {
        "PYTHONHASHSEED": str(random.randrange(2**32)),
        "LC_ALL": random.choice(LOCALES),
        "TZ": random.choice(ZONES),
        "PYTHONPATH": str(ROOT),
    }
    arguments = ("train", "-c", str(config), "--output", "run", "--set", f"train.threads={threads}")
    subprocess.run(
        [sys.executable, "-m", "cmapss_rul", *arguments],
        cwd=place,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    assert metric_rows(place / "run" / "metrics.csv")
    return place / "run"


def metrics_text(run: Path) -> list[bytes]:
    """Return the lines of metrics.csv without the two columns of times."""
    lines = (run / "metrics.csv").read_bytes().split(b"\n")
    return [line.rsplit(b",", 2)[0] for line in lines]
