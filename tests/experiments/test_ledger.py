"""The ledger: cells of several grids in one file."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cmapss_rul.experiments.comparison import compare_results
from cmapss_rul.experiments.identity import config_digest
from cmapss_rul.experiments.ledger import merge_comparison, read_ledger
from cmapss_rul.experiments.results import Ledger
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.locks import LOCK, OWNER, wait_for_folder
from cmapss_rul.training.config import load_config
from tests.experiments.inputs import comparison, grid, results

RMSE = {"fixed": [12.0, 13.0, 12.5], "amnl": [11.0, 11.4, 11.7], "dtp": [12.2, 12.4, 12.9]}
SEEDS = (0, 1, 2)


def merged(path, *names, config="fd001", **changes):
    made = grid(config, balancers=names, seeds=SEEDS)
    merge_comparison(path, comparison(made, {name: RMSE[name] for name in names}, **changes))
    return json.loads(path.read_text())


def test_a_new_ledger_has_the_keys_of_a_comparison(tmp_path):
    found = merged(tmp_path / "deep" / "ledger.json", "fixed", "amnl")
    plain = json.loads(comparison(grid(balancers=["fixed", "amnl"], seeds=SEEDS), RMSE).as_json())
    assert found.keys() >= {"cells", "pairs", "ranks", "oracle", "leak"}
    assert [cell["label"] for cell in found["cells"]] == ["amnl", "fixed"]
    assert found["cells"][1]["rmse"] == plain["cells"][0]["rmse"]
    assert found["pairs"] == plain["pairs"]


def test_the_digest_is_that_of_the_shipped_configuration_with_the_balancer(tmp_path):
    found = merged(tmp_path / "ledger.json", "dtp")
    expected = config_digest(load_config("fd001", ["balancer.name=dtp", "seed=3"]))
    assert found["cells"][0]["config_digest"] == expected


def test_several_grids_fill_one_ledger(tmp_path):
    path = tmp_path / "ledger.json"
    merged(path, "fixed", "amnl")
    merged(path, "fixed", "amnl", config="fd003")
    found = merged(path, "dtp")
    assert [(cell["config"], cell["label"]) for cell in found["cells"]] == [
        ("fd001", "amnl"), ("fd001", "dtp"), ("fd001", "fixed"), ("fd003", "amnl"),
        ("fd003", "fixed"),
    ]  # fmt: skip
    assert len(found["pairs"]) == 2
    assert found["ranks"]["configs"] == ["fd001", "fd003"]
    assert found["ranks"]["labels"] == ["amnl", "fixed"]


def test_a_cell_is_replaced_with_its_pairs(tmp_path):
    path = tmp_path / "ledger.json"
    merged(path, "fixed", "amnl", "dtp")
    found = merged(path, "fixed", epochs=9)
    assert [cell["epochs"]["mean"] for cell in found["cells"]] == [3, 3, 9]
    (pair,) = found["pairs"]
    assert (pair["a"], pair["b"]) == ("amnl", "dtp")
    assert pair["p_holm"] == pair["paired_t"]["p"]  # again a family of one test


def test_the_same_grid_twice_changes_nothing(tmp_path):
    path = tmp_path / "ledger.json"
    first = merged(path, "fixed", "amnl")
    assert merged(path, "fixed", "amnl") == first


# ---- grids that demonstrate the leak -------------------------------------------------------

SPLITS = {"split.by": ["engines", "windows"]}


def leaky(path, *names, engines=RMSE, windows=RMSE):
    """Merge a grid of both splits, whose split by engines repeats the plain balancers."""
    made = grid(balancers=names, axes=SPLITS, seeds=SEEDS)
    rmse = {f"{name} split.by=engines": engines[name] for name in names}
    rmse |= {f"{name} split.by=windows": windows[name] for name in names}
    merge_comparison(path, comparison(made, rmse))
    return json.loads(path.read_text())


@pytest.mark.parametrize("first", ["plain", "leaky"])
def test_a_repeated_cell_is_omitted_in_either_order(tmp_path, first):
    path = tmp_path / "ledger.json"
    calls = [lambda: merged(path, "fixed", "amnl"), lambda: leaky(path, "fixed", "amnl")]
    for call in calls if first == "plain" else calls[::-1]:
        call()
    found = json.loads(path.read_text())
    assert [cell["label"] for cell in found["cells"]] == [
        "amnl", "amnl split.by=windows", "fixed", "fixed split.by=windows",
    ]  # fmt: skip
    labels = [cell["label"] for cell in found["cells"]]
    assert all({pair["a"], pair["b"]} <= set(labels) for pair in found["pairs"])


def test_a_cell_with_other_results_is_not_a_repetition(tmp_path):
    path = tmp_path / "ledger.json"
    merged(path, "fixed")
    other = {"fixed": [12.0, 13.0, 12.6]}
    found = leaky(path, "fixed", engines=other)
    assert "fixed split.by=engines" in [cell["label"] for cell in found["cells"]]


def test_pairs_with_a_leak_are_corrected_separately(tmp_path):
    """Otherwise a grid that demonstrates the leak would weaken the tests of all other pairs."""
    path = tmp_path / "ledger.json"
    alone = merged(path, "fixed", "amnl", "dtp")["pairs"]
    found = leaky(path, "fixed", "amnl", "dtp")["pairs"]
    assert [pair for pair in found if not pair["leak"]] == alone
    leaks = [pair for pair in found if pair["leak"]]
    assert [(pair["a"], pair["b"]) for pair in leaks] == [
        ("amnl split.by=windows", "dtp split.by=windows"),
        ("fixed split.by=windows", "amnl split.by=windows"),
        ("fixed split.by=windows", "dtp split.by=windows"),
    ]
    smallest = min(leaks, key=lambda pair: pair["paired_t"]["p"])
    assert smallest["p_holm"] == pytest.approx(min(1, 3 * smallest["paired_t"]["p"]))


def test_a_leak_is_not_ranked(tmp_path):
    path = tmp_path / "ledger.json"
    merged(path, "fixed", "amnl")
    ranks = leaky(path, "fixed", "amnl")["ranks"]
    assert (ranks["labels"], ranks["leaks"]) == (["amnl", "fixed"], [])


def test_the_optimism_of_leak_and_oracle_is_retained(tmp_path):
    path = tmp_path / "ledger.json"
    made = grid("fd003", balancers=["fixed"], seeds=SEEDS, oracle=True)
    merge_comparison(path, comparison(made, {"fixed": RMSE["fixed"]}, oracle={1: 11.0}))
    leaky(path, "fixed")
    found = merged(path, "amnl")
    assert [entry["subset"] for entry in found["oracle"]] == ["FD003"]
    assert [(entry["config"], entry["cell"]) for entry in found["leak"]] == [("fd001", "fixed")]


def test_a_cell_without_any_run_does_not_replace_an_older_one(tmp_path):
    path = tmp_path / "ledger.json"
    before = merged(path, "fixed", "amnl")
    made = grid(balancers=["fixed", "amnl"], seeds=SEEDS)
    alone = [r for r in results(made, RMSE) if r.run.cell.label == "amnl"]
    failed = {run.name: "broke" for run in made.runs if run.cell.label == "fixed"}
    merge_comparison(path, compare_results(made, alone, failed))
    found = json.loads(path.read_text())
    assert found["cells"] == before["cells"]
    assert found["pairs"] == []  # one side has changed


def test_concurrent_merges_lose_no_cells(tmp_path, caplog):
    merged(tmp_path / "first.json", "fixed")
    path = tmp_path / "ledger.json"
    with ThreadPoolExecutor() as pool:
        with wait_for_folder(tmp_path):
            second = pool.submit(merged, path, "amnl")
            while not caplog.messages and not second.done():
                time.sleep(0.01)
            shutil.copy(tmp_path / "first.json", path)
        found = second.result()
    assert caplog.messages == [f"waiting for process {os.getpid()}, which writes into {tmp_path}"]
    assert [cell["label"] for cell in found["cells"]] == ["amnl", "fixed"]
    assert not {LOCK, OWNER} & {name.name for name in tmp_path.iterdir()}


def test_an_unwritable_ledger_is_reported_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RulError, match="cannot be written"):
        merged(tmp_path / "file" / "ledger.json", "fixed")


# ---- invalid files -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"cells": {}}', '{"cells": [], "pairs": [], "oracle": [], "leak": [1]}',
     '{"cells": [{"config": 1}], "pairs": [], "oracle": [], "leak": []}', "[" * 100_000],
)  # fmt: skip
def test_files_other_than_ledgers_are_left_alone(tmp_path, content):
    path = tmp_path / "ledger.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"--ledger .*ledger\.json: .* name another file"):
        read_ledger(path, to_write=True)
    assert path.read_text() == content


def test_a_folder_is_refused_as_a_ledger(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_ledger(tmp_path)


def test_a_missing_ledger_is_empty_only_when_merging(tmp_path):
    path = tmp_path / "ledger.json"
    empty = read_ledger(path, to_write=True)
    assert empty == Ledger(cells=[], pairs=[], oracle=[], leak=[])
    with pytest.raises(UsageError) as caught:
        read_ledger(path)
    assert str(caught.value).endswith("; name another file")
