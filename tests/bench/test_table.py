"""Requirements: met at the limit, missed beyond it, and neither where the value is missing."""

import copy

import pytest

from cmapss_rul.bench.table import remarks, result_table, rows
from tests.bench.results import result

REQUIREMENTS = {
    "accuracy.ratio_to_usual_loop": "≥ 3",
    "step.ratio_to_usual_loop": "≥ 1",
    "step.share_of_matmul_limit": "≥ 0.65",
    "published.step.share_of_matmul_limit": "≥ 0.89",
    "data.cold_ratio_to_peer": "≥ 1",
    "data.cached_ratio_to_peer": "≥ 10",
    "data.peak_memory_mb": "< rul-datasets",
    "loader.windows_per_second.30": "≥ rul-datasets",
    "balancers.amnl.ratio_to_fixed": "≤ 1.02",
    "balancers.gradnorm.ratio_to_fixed": "≤ 1.5",
    "startup.help_seconds": "≤ 0.3",
    "startup.evaluate_seconds": "≤ 4",
    "startup.evaluate_ratio_to_import_torch": "≤ 3.5",
    "startup.first_step_seconds": "≤ 2",
}


def by_key(plain):
    return {row.key: row for row in rows(plain)}


def shifted(key, factor):
    """The result with one value changed."""
    plain = copy.deepcopy(result())
    *path, name = key.split(".")
    place = plain
    for part in path:
        place = place[part]
    place[name] *= factor
    return plain


def test_every_requirement_is_met_at_its_limit():
    found = {row.key: row.requirement for row in rows(result()) if row.requirement}
    assert found == REQUIREMENTS
    assert {row.met for row in rows(result()) if row.requirement} == {True}
    assert {row.met for row in rows(result()) if not row.requirement} == {None}


@pytest.mark.parametrize("key", REQUIREMENTS)
def test_every_requirement_can_be_missed(key):
    worse = 0.99 if REQUIREMENTS[key].startswith("≥") else 1.01
    found = by_key(shifted(key, worse))
    assert [row.key for row in found.values() if row.met is False] == [key]


def test_a_value_has_its_spread():
    found = by_key(result())
    assert found["step.ratio_to_usual_loop"].value == "1.000 ± 0.100"
    assert found["loader.windows_per_second.30"].value == "119,000 ± 100"
    assert found["inference.one_window_ms.p99"].value == "2.500"


def test_without_the_peer_its_rows_give_the_reason():
    plain = result(peer_missing="needs it")
    plain["data"] = {**plain["data"], "peer_peak_memory_mb": None, "cold_ratio_to_peer": None}
    plain["loader"] = {**plain["loader"], "peer_windows_per_second": None}
    found = by_key(plain)
    assert found["data.cold_ratio_to_peer"][1:] == ("not measured", "≥ 1", None)
    assert [*remarks(plain)] == ["not measured: needs it"]
    assert found["loader.windows_per_second.30"].met is None
    # memory is then compared with the value of another machine
    assert found["data.peak_memory_mb"][2:] == ("< 460", True)
    assert by_key({**plain, "subset": "FD002"})["data.peak_memory_mb"].met is None


def test_on_a_gpu_the_step_must_be_five_times_as_fast():
    plain = result()
    plain["machine"] = {**plain["machine"], "gpu": "H"}
    row = by_key(plain)["step.ratio_to_usual_loop"]
    assert (row.requirement, row.met) == ("≥ 5", False)


def test_what_was_not_measured_is_neither_met_nor_missed():
    found = by_key({"subset": "FD001"})
    assert {row.met for row in found.values()} == {None}
    assert found["step.ratio_to_usual_loop"].value == "not measured"


def test_a_time_to_the_target_is_noted_as_of_one_split():
    plain = result()
    assert sum("on split 0" in note for note in result_table(plain).notes) == 1
    del plain["accuracy"]
    assert not any("on split 0" in note for note in result_table(plain).notes)


def test_remarks():
    assert list(remarks(result())) == []
    run = {"seconds": 20.0, "epochs": 5, "reached": False, "best": 12.345}
    good = {**run, "reached": True}
    plain = result(
        quick=True,
        files="simulated",
        accuracy={"seeds": [{"seed": 1, "usual_loop": good, "ours": run}]},
    )
    quick, files, reached = remarks(plain)
    assert quick.startswith("quick: ")
    assert files == "data: simulated"
    assert reached == (
        "seed 1: ours did not reach the target (best validation RMSE 12.35) and counts with its "
        "total time"
    )
