"""A short run of each campaign; the long ones are marked `slow`."""

import pytest

from tests.torture import faults, flips, kills, repeats, shim


def without_defects(counts):
    assert counts.defects == []
    return counts


def test_kills():
    counts = without_defects(kills.run(3, seed=0))
    assert counts.kinds["killed"] >= 3


def test_faults():
    quick = "train,evaluate,calibrate,predict,simulate,download-data"
    counts = without_defects(faults.run(6, seed=0, names=quick))
    assert counts.cases == 6


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["export", "report", "compare"])
def test_faults_of_the_verbs_that_take_long(verb):
    counts = without_defects(faults.run(6, seed=0, names=verb))
    assert set(counts.kinds) <= {f"{verb}: {mode}" for mode in shim.MODES}


def test_flips():
    counts = without_defects(flips.run(1000, seed=0))
    assert (counts.kinds["flips"], counts.kinds["cuts"]) == (1000, 100)


@pytest.mark.slow
def test_repeats():
    counts = without_defects(repeats.run(4, seed=0))
    assert counts.kinds == {"threads 1": 2, "threads 2": 2}


@pytest.mark.slow
@pytest.mark.parametrize(("campaign", "rounds"), [(kills, 200), (faults, 10**6), (flips, 100_000)])
def test_the_whole_campaign(campaign, rounds):
    assert without_defects(campaign.run(rounds, seed=0)).cases > 60
