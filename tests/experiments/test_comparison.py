"""comparison.json and comparison.csv: keys, means, marks, and missing runs."""

import csv
import dataclasses
import io
import json

import pytest

from cmapss_rul.data.split import LEAK
from cmapss_rul.experiments.comparison import as_csv, compare_results
from cmapss_rul.experiments.identity import digest_of
from cmapss_rul.experiments.summaries import FileDigest, RunScores
from cmapss_rul.system.errors import RulError
from tests.experiments.inputs import comparison, grid, results

RMSE = {"fixed": [12.0, 14.0], "amnl": [11.0, 11.5]}


def parsed_json(made):
    """The content of comparison.json."""
    return json.loads(made.as_json())


def test_the_keys_of_a_cell():
    made = comparison(grid(), RMSE)
    cell = parsed_json(made)["cells"][0]
    assert (cell["config"], cell["subset"], cell["balancer"]) == ("fd001", "FD001", "fixed")
    assert (cell["settings"], cell["label"], cell["n_seeds"]) == ({}, "fixed", 2)
    assert cell["rmse"] == {"mean": 13.0, "sd": pytest.approx(2**0.5)}
    assert cell["nasa"]["mean"] == 130.0
    assert cell["last_raw"]["rmse"]["mean"] == 23.0
    assert cell["every_capped"]["rmse"]["mean"] == 14.0
    assert cell["every_raw"]["nasa"]["mean"] == 330.0
    assert cell["validation"]["rmse"]["mean"] == 15.0
    assert cell["validation"]["nasa_mean"] == {"mean": 5.0, "sd": 0.0}
    assert cell["clipped_share"] == {"mean": 0.5, "sd": 0.0}
    assert cell["epochs"]["mean"] == 3
    assert cell["seconds"]["mean"] == 30
    assert [run["rmse"] for run in cell["runs"]] == [12.0, 14.0]
    assert cell["leak"] is None


def test_training_metrics_are_of_the_epoch_chosen_by_validation():
    made = grid(balancers=["fixed"])
    found = results(made, {"fixed": [12.0, 12.5]}, best_epoch=2, epochs=4)
    cell = parsed_json(compare_results(made, found, {}))["cells"][0]
    assert (cell["best_epoch"], cell["epochs"]) == (
        {"mean": 2.0, "sd": 0.0},
        {"mean": 4.0, "sd": 0.0},
    )
    assert cell["validation"]["rmse"]["mean"] == 12.25 + 2 + 2  # two epochs before the last
    assert cell["validation"]["health_accuracy"]["mean"] == pytest.approx(0.9)
    assert [run["best_epoch"] for run in cell["runs"]] == [2, 2]


def test_the_interval_over_engines_is_of_the_mean_over_seeds():
    """All errors are ± the RMSE, so resampling engines does not change it: 13 and 11.25."""
    cells = parsed_json(comparison(grid(), RMSE))["cells"]
    for cell, mean in zip(cells, (13.0, 11.25), strict=True):
        assert cell["rmse_interval_over_engines"] == pytest.approx((mean, mean))


def test_times_are_rounded_to_milliseconds():
    made = grid(balancers=["fixed"], seeds=(0,))
    (one,) = results(made, {"fixed": [12.0]})
    one.history.rows[0]["seconds"] = 10.12345
    cell = parsed_json(compare_results(made, [one], {}))["cells"][0]
    assert cell["runs"][0]["seconds"] == 30.123


def test_a_cell_has_the_facts_that_a_ledger_needs():
    cell = parsed_json(comparison(grid(), RMSE))["cells"][0]
    assert digest_of(cell["configuration"]) == cell["config_digest"]
    assert "seed" not in cell["configuration"]
    assert json.loads(json.dumps(cell["configuration"])) == cell["configuration"]
    assert cell["commit"] == "c0ffee"
    assert {"torch", "numpy", "scipy"} <= cell["versions"].keys()
    assert cell["data"]["train_FD001.txt"]["canonical_sha256"] == "b"
    assert "seed" not in cell["protocol"]
    assert "seed" not in cell["protocol"]["split"]
    assert cell["protocol"]["cap"] == 125


def test_pairs_ranks_and_notes():
    plain = parsed_json(comparison(grid("fd001", "fd003"), RMSE))
    assert [(p["config"], p["a"], p["b"]) for p in plain["pairs"]] == [
        ("fd001", "fixed", "amnl"), ("fd003", "fixed", "amnl"),
    ]  # fmt: skip
    for key in ("paired_t", "bootstrap", "p_holm", "sentence"):
        assert plain["pairs"][0][key] is not None
    assert plain["ranks"]["labels"] == ["fixed", "amnl"]
    assert plain["ranks"]["mean"] == [2, 1]
    assert (plain["oracle"], plain["leak"], plain["missing"], plain["notes"]) == (
        None,
        None,
        [],
        [],
    )


def test_one_seed_and_one_balancer_give_nulls_and_notes():
    made = comparison(grid(balancers=["fixed"], seeds=(3,)), {"fixed": [12.0]})
    plain = parsed_json(made)
    assert plain["cells"][0]["rmse"] == {"mean": 12.0, "sd": None}
    assert (plain["pairs"], plain["ranks"]) == ([], None)
    notes = " ".join(plain["notes"])
    assert "one seed: no sd, no interval and no test over seeds" in notes
    assert "one cell per configuration: no pair to compare" in notes
    assert "no ranks" in notes


def test_failed_runs_are_named_as_missing():
    made = grid()
    found = results(made, RMSE)
    plain = parsed_json(compare_results(made, found[1:], {made.runs[0].name: "it broke"}))
    assert plain["missing"] == [{"run": "fd001-fixed-s0", "error": "it broke"}]
    assert "missing: fd001-fixed-s0 failed: it broke" in plain["notes"]
    assert plain["cells"][0]["n_seeds"] == 1


def test_a_cell_without_any_run_has_nulls():
    made = grid(seeds=(0,))
    one = [r for r in results(made, {"fixed": [1.0], "amnl": [2.0]}) if r.run.cell.label == "amnl"]
    cell = parsed_json(compare_results(made, one, {"fd001-fixed-s0": "broke"}))["cells"][0]
    assert (cell["n_seeds"], cell["rmse"], cell["commit"]) == (0, {"mean": None, "sd": None}, None)


def test_simulated_data_are_marked():
    made = comparison(grid(), RMSE, simulated=True)
    assert parsed_json(made)["cells"][0]["files"] == "simulated, not the official files"
    assert parsed_json(made)["notes"] == [
        "data: simulated, not the official files; these are not metrics on C-MAPSS"
    ]


def test_a_leak_is_flagged_in_cell_row_and_note():
    made = grid(balancers=["amnl"], axes={"split.by": ["engines", "windows"]})
    labels = [cell.label for cell in made.cells]
    found = comparison(made, {labels[0]: [12.0, 12.5], labels[1]: [11.0, 11.5]})
    assert [cell["leak"] for cell in parsed_json(found)["cells"]] == [None, LEAK]
    assert parsed_json(found)["leak"][0]["mark"] == LEAK
    assert LEAK in parsed_json(found)["notes"][0]
    assert parsed_json(found)["ranks"]["leaks"] == [labels[1]]
    rows = list(csv.DictReader(io.StringIO(as_csv(made, found))))
    assert {row["leak"] for row in rows if row["cell"] == labels[1]} == {LEAK}


def test_the_oracle_is_flagged_and_nothing_else_changes():
    plain = parsed_json(comparison(grid(), RMSE))
    made = comparison(grid(oracle=True), RMSE, oracle={1: 10.0, 2: 9.0, 3: 12.0})
    assert parsed_json(made)["oracle"][0]["optimism"]["mean"] == pytest.approx(
        3.125
    )  # 4, 2 and 5, 2.5
    for key in ("rmse", "nasa", "every_raw", "validation", "rmse_interval_over_engines"):
        assert parsed_json(made)["cells"][0][key] == plain["cells"][0][key]
    run = parsed_json(made)["cells"][0]["runs"][0]
    assert (run["oracle_test_rmse"], run["oracle_test_epoch"]) == (9.0, 2)
    assert run["oracle_mark"] == "oracle: chosen on the test set"
    assert any("oracle: chosen on the test set" in note for note in parsed_json(made)["notes"])


def test_the_csv_has_a_row_per_run_including_failed_ones():
    made = grid()
    found = compare_results(made, results(made, RMSE)[1:], {"fd001-fixed-s0": "it, broke"})
    rows = list(csv.DictReader(io.StringIO(as_csv(made, found))))
    assert [row["run"] for row in rows] == [run.name for run in made.runs]
    assert (rows[0]["error"], rows[0]["rmse"]) == ("it, broke", "")
    assert (rows[1]["cell"], rows[1]["seed"], float(rows[1]["rmse"])) == ("amnl", "0", 11.0)
    assert float(rows[1]["val_rmse"]) == 13.0


def test_an_infinite_score_is_null():
    made = grid(seeds=(0,), balancers=["fixed"])
    (one,) = results(made, {"fixed": [12.0]})
    one.evaluation.metrics["every"]["raw"] = RunScores(rmse=32.0, nasa=None)
    cell = parsed_json(compare_results(made, [one], {}))["cells"][0]
    assert cell["every_raw"]["nasa"] == {"mean": None, "sd": None}


def test_a_file_of_some_runs_is_compared_among_those():
    made = grid()
    found = results(made, RMSE)
    before = compare_results(made, found, {})
    digests = [one.evaluation.protocol.digest for one in found]
    for digest in digests[1:3]:  # for example auxiliary training files
        digest["train_FD003.txt"] = digest["train_FD001.txt"]
    after = compare_results(made, found, {})
    runs = {run.run: run.rmse for cell in after.cells for run in cell.runs}
    assert runs == {one.run.name: one.rmse for one in found}
    assert [cell.runs for cell in after.cells] == [cell.runs for cell in before.cells]
    assert (after.pairs, after.ranks) == (before.pairs, before.ranks)
    digests[2]["train_FD003.txt"] = FileDigest(sha256="a", canonical_sha256="z")
    with pytest.raises(RulError, match=r"train_FD003\.txt was another file for fd001-amnl-s0 than"):
        compare_results(made, found, {})


def test_runs_from_different_data_are_refused():
    made = grid()
    found = results(made, RMSE)
    digest = found[2].evaluation.protocol.digest
    digest["test_FD001.txt"] = FileDigest(sha256="a", canonical_sha256="z")
    with pytest.raises(RulError, match=r"test_FD001\.txt was another file for fd001-fixed-s0 than"):
        compare_results(made, found, {})


def test_different_commits_are_all_listed():
    made = grid(balancers=["fixed"])
    one, other = results(made, {"fixed": [1.0, 2.0]})
    other = dataclasses.replace(other, commit=None)
    cell = parsed_json(compare_results(made, [one, other], {}))["cells"][0]
    assert cell["commit"] == "c0ffee, unknown"
