"""The ledger: cells of several grids in one file."""

import json

import pytest

from cmapss_rul.errors import UsageError
from cmapss_rul.experiments import ledger
from cmapss_rul.experiments.identity import config_digest
from cmapss_rul.training.config import load_config
from tests.experiments.inputs import comparison, grid

FIGURES = {"fixed": [12.0, 13.0, 12.5], "amnl": [11.0, 11.4, 11.7], "dtp": [12.2, 12.4, 12.9]}
SEEDS = (0, 1, 2)


def merged(path, *names, config="fd001", **changes):
    made = grid(config, balancers=names, seeds=SEEDS)
    ledger.merge(path, comparison(made, {name: FIGURES[name] for name in names}, **changes))
    return json.loads(path.read_text())


def test_a_new_ledger_has_the_keys_of_a_comparison(tmp_path):
    found = merged(tmp_path / "deep" / "ledger.json", "fixed", "amnl")
    plain = comparison(grid(balancers=["fixed", "amnl"], seeds=SEEDS), FIGURES).plain
    assert found.keys() >= {"cells", "pairs", "ranks", "oracle", "leak"}
    assert [cell["label"] for cell in found["cells"]] == ["amnl", "fixed"]
    assert found["cells"][1]["rmse"] == plain["cells"][0]["rmse"]
    assert found["pairs"] == json.loads(json.dumps(plain["pairs"]))


def test_the_digest_is_that_of_the_shipped_configuration_with_the_balancer(tmp_path):
    found = merged(tmp_path / "ledger.json", "dtp")
    wanted = config_digest(load_config("fd001", ["balancer.name=dtp", "seed=3"]))
    assert found["cells"][0]["config_digest"] == wanted


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
    assert pair["p_holm"] == pair["paired_t"]["p"]  # a family of one again


def test_the_same_grid_twice_changes_nothing(tmp_path):
    path = tmp_path / "ledger.json"
    first = merged(path, "fixed", "amnl")
    assert merged(path, "fixed", "amnl") == first


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"cells": {}}', '{"cells": [], "pairs": [], "oracle": [], "leak": [1]}',
     '{"cells": [{"config": 1}], "pairs": [], "oracle": [], "leak": []}', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_ledger_is_left_alone(tmp_path, content):
    path = tmp_path / "ledger.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"--ledger .*ledger\.json: .* name another file"):
        ledger.read(path, to_write=True)
    assert path.read_text() == content


def test_a_folder_is_no_ledger(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        ledger.read(tmp_path)
