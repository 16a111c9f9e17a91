"""Campaign: single bytes of a checkpoint changed, and cuts; not one may be taken."""

import tempfile
from pathlib import Path
from random import Random

from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.training.checkpoint_file import unseal
from tests.torture.counts import Counts, command, fork, wait
from tests.torture.runs import alone, configuration, fleets


def run(rounds: int, seed: int) -> Counts:
    """Change one byte at a time.

    Args:
        rounds: changes; the first go through the places of the file, each once, in a random
            order, and then anew.
        seed: of order and changes.
    """
    alone()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        fleets(place / "data")
        config = configuration(place, place / "data", "gradnorm")
        words = ("train", "-c", config, "--output", place / "run", "--set", "train.epochs=1")
        if wait(fork(command(*words), place / "said")):
            raise RuntimeError((place / "said").read_text())
        return flip((place / "run" / "last.pt").read_bytes(), rounds, seed)


def flip(whole: bytes, rounds: int, seed: int) -> Counts:
    """Change one byte of a checkpoint at a time, and cut it now and then."""
    counts, random = Counts("flips", seed), Random(seed)
    unseal(whole, "whole")
    order = list(range(len(whole)))
    random.shuffle(order)
    data = bytearray(whole)
    for number in range(rounds):
        place, change = order[number % len(order)], random.randrange(1, 256)
        data[place] ^= change
        _refused(bytes(data), f"byte {place} changed by {change:#x}", counts, "flips")
        data[place] ^= change
        if number % 10 == 0:
            length = random.randrange(len(whole))
            _refused(whole[:length], f"cut to {length} bytes", counts, "cuts")
    return counts


def _refused(data: bytes, what: str, counts: Counts, kind: str) -> None:
    counts.cases += 1
    counts.kinds[kind] += 1
    try:
        unseal(data, "file")
    except CheckpointError:
        return
    except Exception as error:
        what = f"{what}: {error!r}"
    counts.defects.append(f"seed {counts.seed}: {what}")
