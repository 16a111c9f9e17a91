"""Campaign: change single bytes of a checkpoint, and truncate it; every one must be refused."""

import tempfile
from pathlib import Path
from random import Random

from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.training.checkpoint_file import unseal
from tests.processes import command, fork, wait
from tests.torture.counts import Counts
from tests.torture.runs import configuration, fleets, import_all


def run(rounds: int, seed: int) -> Counts:
    """Change one byte at a time.

    Args:
        rounds: changes; they go through the bytes of the file in a random order, repeatedly if
            there are more rounds than bytes.
        seed: of order and changes.
    """
    import_all()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        fleets(place / "data")
        config = configuration(place, place / "data", "gradnorm")
        words = ("train", "-c", config, "--output", place / "run", "--set", "train.epochs=1")
        if wait(fork(command(*words), place / "output")):
            raise RuntimeError((place / "output").read_text())
        return flip((place / "run" / "last.pt").read_bytes(), rounds, seed)


def flip(whole: bytes, rounds: int, seed: int) -> Counts:
    """Change one byte of a checkpoint at a time, and truncate it every tenth round."""
    counts, random = Counts("flips", seed), Random(seed)
    unseal(whole, "whole")
    order = list(range(len(whole)))
    random.shuffle(order)
    data = bytearray(whole)
    for number in range(rounds):
        position, change = order[number % len(order)], random.randrange(1, 256)
        data[position] ^= change
        _refused(bytes(data), f"byte {position} changed by {change:#x}", counts, "flips")
        data[position] ^= change
        if number % 10 == 0:
            length = random.randrange(len(whole))
            _refused(whole[:length], f"cut to {length} bytes", counts, "cuts")
    return counts


def _refused(data: bytes, description: str, counts: Counts, kind: str) -> None:
    counts.cases += 1
    counts.kinds[kind] += 1
    try:
        unseal(data, "file")
    except CheckpointError:
        return
    except Exception as error:
        description = f"{description}: {error!r}"
    counts.defects.append(f"seed {counts.seed}: {description}")
