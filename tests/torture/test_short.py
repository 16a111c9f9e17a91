"""A short form of each campaign, so that none of them rots; the long ones are `slow`."""

import pytest

from tests.torture import faults, flips, kills, repeats, shim

# forked children of a process with threads are safe here, for they start none themselves
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def well(counts):
    assert counts.defects == []
    return counts


def test_kills():
    counts = well(kills.run(3, seed=0))
    assert counts.kinds["killed"] >= 3


def test_faults():
    quick = "train,evaluate,calibrate,predict,simulate,download-data"
    counts = well(faults.run(6, seed=0, names=quick))
    assert counts.cases == 6


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["export", "report", "compare"])
def test_faults_of_the_verbs_that_take_long(verb):
    counts = well(faults.run(6, seed=0, names=verb))
    assert set(counts.kinds) <= {f"{verb}: {mode}" for mode in shim.MODES}


def test_flips():
    counts = well(flips.run(1000, seed=0))
    assert (counts.kinds["flips"], counts.kinds["cuts"]) == (1000, 100)


@pytest.mark.slow
def test_repeats():
    counts = well(repeats.run(4, seed=0))
    assert counts.kinds == {"threads 1": 2, "threads 2": 2}


@pytest.mark.slow
@pytest.mark.parametrize(("campaign", "rounds"), [(kills, 200), (faults, 10**6), (flips, 100_000)])
def test_the_whole_campaign(campaign, rounds):
    assert well(campaign.run(rounds, seed=0)).cases > 60
