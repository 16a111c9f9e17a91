"""The limits of `rul check` on the official test files and on simulated fleets."""

import pytest

from cmapss_rul.data.columns import SUBSETS
from cmapss_rul.evaluation.check import DISTANCE
from scripts.check_limits import distances


@pytest.mark.needs_data
@pytest.mark.slow
@pytest.mark.parametrize("subset", SUBSETS)
def test_official_files_pass_and_a_moved_sensor_does_not(official, subset):
    plain, moved = distances(official, subset)
    assert plain < DISTANCE < moved


def test_a_simulated_fleet(fleet_dir):
    plain, moved = distances(fleet_dir, "FD001")
    assert plain < DISTANCE < moved
