"""Short runs of the fuzzing campaigns, and their framework."""

import base64
import json
import re

import numpy as np
import pytest

from cmapss_rul.data import column_inference, records
from tests.torture import (
    fuzz_archive,
    fuzz_checkpoint,
    fuzz_config,
    fuzz_fleets,
    fuzz_parts,
    fuzz_reader,
    fuzz_tables,
    fuzzing,
)
from tests.torture.counts import Counts
from tests.torture.fuzzing import Defect, Target

CAMPAIGNS = {
    "reader": (fuzz_reader, 400),
    "archive": (fuzz_archive, 400),
    "checkpoint": (fuzz_checkpoint, 200),
    "parts": (fuzz_parts, 100),
    "config": (fuzz_config, 150),
    "tables": (fuzz_tables, 300),
}


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_short_campaign_finds_nothing(name):
    module, rounds = CAMPAIGNS[name]
    counts = module.run(rounds, seed=1, engine="loop")
    assert counts.defects == []
    assert counts.cases == rounds == counts.kinds.total()
    assert counts.kinds["accepted"] >= 5
    assert counts.kinds["refused"] >= 5


def parse(data: bytes) -> bool:
    """Accept numbers and refuse the rest, except for planted defects."""
    if b"boom" in data:
        raise ValueError("planted")
    if b"spin" in data:
        while True:
            pass
    if b"leak" in data:
        assert b"\1" * (fuzzing._peak_bytes() + 2 * fuzzing.MEMORY_BYTES)
    return data.isdigit()


def target(*words: bytes) -> Target:
    return Target("toy", parse, (b"12", b"abc"), (b"7", *words), (__name__,))


def test_the_same_seed_is_the_same_campaign():
    first, again, other = (fuzzing.run(target(), 200, seed, "loop") for seed in (1, 1, 2))
    assert first == again
    assert first.kinds["accepted"]
    assert first.kinds != other.kinds
    assert first.cases == 200


def test_a_traceback_is_reported_once_with_its_input():
    counts = fuzzing.run(target(b"boom"), 300, 1, "loop")
    assert len(counts.defects) == 1
    assert counts.defects[0].startswith("ValueError: planted (")
    found = base64.b64decode(counts.defects[0].rpartition("input ")[2])
    assert b"boom" in found
    assert counts.cases > counts.kinds.total()


def test_a_hang_is_a_defect(monkeypatch):
    monkeypatch.setattr(fuzzing, "CPU_SECONDS", 0.05)
    counts = fuzzing.run(target(b"spin"), 60, 1, "loop")
    assert counts.defects[0].startswith("Defect: more than 0.05 s of processor time")


def test_memory_is_watched(monkeypatch):
    monkeypatch.setattr(fuzzing, "MEMORY_BYTES", 1 << 24)
    leaking = Target("toy", parse, (b"12", b"leak"), (b"7",), (__name__,))
    counts = fuzzing.run(leaking, 2, 1, "loop")
    assert counts.defects[0].startswith("Defect: took ")


def test_atheris_is_used_where_it_is_installed():
    pytest.importorskip("atheris")
    counts = fuzzing.run(target(b"boom"), 300, 1)
    assert counts.campaign == "fuzz_toy, atheris"
    assert counts.cases == 300
    assert [text.partition(" (")[0] for text in counts.defects] == ["ValueError: planted"]


PLANTED = {
    "Defect: engines": (records, "_INTEGER", re.compile(r"0*[0-9]+")),  # 07 becomes 7
    "Defect: the label vib": (column_inference, "describe_label", lambda *_: ""),
    "Defect: twins": (fuzz_fleets, "find_duplicates", lambda *_: []),
    "Defect: censored engines": (records, "_censored", lambda *_: np.array([1])),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_wrong_number_is_found(monkeypatch, name):
    module, function, defective = PLANTED[name]
    monkeypatch.setattr(module, function, defective)
    monkeypatch.setattr(fuzz_tables, "_FLEETS", 1.0)
    counts = fuzz_tables.run(60, seed=2, engine="loop")
    assert name in " ".join(counts.defects)
    assert not any(other in " ".join(counts.defects) for other in {*PLANTED} - {name})


def test_fleets_of_all_kinds_are_accepted(monkeypatch):
    monkeypatch.setattr(fuzz_tables, "_FLEETS", 1.0)
    counts = fuzz_tables.run(60, seed=1, engine="loop")
    assert counts.defects == []
    assert counts.kinds["accepted"] >= 20


@pytest.mark.parametrize("message", ["", "two\nlines", "a\x1b[31m", "x" * 30_000])
def test_what_is_no_line_for_a_terminal(message):
    with pytest.raises(Defect):
        fuzzing.require_one_line(message)


def test_the_command(capsys):
    assert fuzzing.main(target(), ["--rounds", "50", "--seed", "3", "--engine", "loop"]) == 0
    assert Counts(**json.loads(capsys.readouterr().out)).cases == 50
    assert fuzzing.main(target(b"boom"), ["--rounds", "300", "--engine", "loop"]) == 1
    capsys.readouterr()
    assert fuzzing.main(target(), ["--input", base64.b64encode(b"12").decode()]) == 0
    assert capsys.readouterr().out == "accepted\n"


def test_the_traps_work():
    """Unpickled carelessly, the trap fires, so the campaign would detect it."""
    import io

    import torch

    torch.load(io.BytesIO(fuzz_checkpoint.saved(fuzz_checkpoint._Trap())), weights_only=False)
    assert fuzz_checkpoint._fired == ["a checkpoint ran code"]
    with pytest.raises(Defect, match="a checkpoint ran code"):
        fuzz_checkpoint.TARGET.check(b"")
    assert fuzz_checkpoint._fired == []
