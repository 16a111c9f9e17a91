"""Grids of configurations × balancers × axes × seeds, and their refusals."""

import itertools
import sys

import pytest

from cmapss_rul.config.load import from_mapping
from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig, load_config
from tests.experiments.inputs import write_config


def labels(**options) -> list[str]:
    return [cell.label for cell in make_grid(["fd001"], **options).cells]


def refused(configs=("fd001",), **options) -> str:
    with pytest.raises(UsageError) as caught:
        make_grid(configs, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_product_of_all_lists():
    grid = make_grid(
        ["fd001", "fd003"],
        balancers=["fixed", "amnl"],
        seeds=[3, 7],
        axes={"train.epochs": [1, 2], "train.ema": [None, 0.9]},
    )
    assert len(grid.cells) == 2 * 2 * 2 * 2
    assert len(grid.runs) == 2 * len(grid.cells)
    assert len({run.name for run in grid.runs}) == len(grid.runs)
    found = {
        (c.config, c.balancer, c.settings["train.epochs"], c.settings["train.ema"])
        for c in grid.cells
    }
    lists = (["fd001", "fd003"], ["fixed", "amnl"], [1, 2], [None, 0.9])
    assert found == set(itertools.product(*lists))


def test_each_cell_is_its_configuration_changed():
    grid = make_grid(
        ["fd002"], balancers=["gradnorm"], seeds=[4], axes={"balancer.alpha": [0.5]},
        sets=["train.epochs=2"],
    )  # fmt: skip
    expected = load_config(
        "fd002",
        ["balancer.name=gradnorm", "balancer.alpha=0.5", "train.epochs=2", "seed=4",
         "train.threads=1"],
    )  # fmt: skip
    assert [run.config for run in grid.runs] == [expected]


def test_each_configuration_has_its_balancer_by_default():
    cells = make_grid(["fd001", "gradnorm"]).cells
    assert [cell.balancer for cell in cells] == [
        load_config(name).balancer.name for name in ("fd001", "gradnorm")
    ]


def test_a_named_balancer_keeps_its_settings_in_the_file(tmp_path):
    path = write_config(
        tmp_path / "mine.yaml", tmp_path, balancer={"name": "gradnorm", "alpha": 0.7}
    )
    grid = make_grid([str(path)], balancers=["gradnorm", "fixed"])
    assert [cell.config for cell in grid.cells] == ["mine", "mine"]
    assert grid.cells[0].resolved.balancer.alpha == 0.7


def test_runs_of_a_grid_use_one_thread(tmp_path):
    path = write_config(tmp_path / "mine.yaml", tmp_path)
    grid = make_grid([str(path)], sets=["train.threads=2"])
    assert {run.config.train.threads for run in grid.runs} == {1}


def test_a_key_of_some_balancers_varies_only_in_those():
    assert labels(balancers=["fixed", "gradnorm"], axes={"balancer.alpha": [0.5, 1.5]}) == [
        "fixed",
        "gradnorm balancer.alpha=0.5",
        "gradnorm balancer.alpha=1.5",
    ]


def test_a_key_of_one_loss_varies_only_with_that_loss():
    axes = {"loss.rul.delta": [10, 20], "loss.rul.name": ["huber", "mse"]}
    assert labels(balancers=["fixed"], axes=axes) == [
        "fixed loss.rul.delta=10 loss.rul.name=huber",
        "fixed loss.rul.delta=20 loss.rul.name=huber",
        "fixed loss.rul.name=mse",
    ]


def test_lists_and_mappings_may_be_values():
    axes = {"model.cnn.channels": [[32], [32, 16]], "train.schedule": [{"name": "constant"}]}
    cells = make_grid(["fd001"], axes=axes).cells
    assert [cell.settings["model.cnn.channels"] for cell in cells] == [[32], [32, 16]]
    assert cells[1].resolved.model.cnn.channels == (32, 16)
    assert cells[1].settings["train.schedule"] == {"name": "constant"}
    assert "model.cnn.channels=[32, 16]" in cells[1].label


def test_values_may_depend_on_one_another():
    axes = {"data.cap": [100], "loss.health.boundaries": [[100, 50]]}
    assert make_grid(["fd001"], axes=axes).cells[0].resolved.data.cap == 100


def test_set_of_a_balancer_key_changes_the_balancers_that_have_it():
    cells = make_grid(["fd001"], balancers=["fixed", "gradnorm"], sets=["balancer.alpha=2"]).cells
    assert cells[1].resolved.balancer.alpha == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"configs": ["fd01", "fd001", "zz"]},
         "--config: unknown configuration 'fd01' and 'zz' beside fd001; "
         "expected one of: fd001,"),
        ({"balancers": ["fixed", "gradnrom"]},
         "--balancer: unknown balancer 'gradnrom' beside fixed; expected one of: gradnorm,"),
        ({"configs": ["zz"], "balancers": ["yy"]}, "--balancer: unknown balancer 'yy'"),
        ({"balancers": ["torchjd:famo"]}, "'torchjd:famo' (refused: "),
        ({"configs": ["fd001", "fd001.yaml"]}, "two files are called 'fd001'"),
        ({"axes": {"train.epoch": [1]}},
         "--grid train.epoch: no configuration of this grid has this key; did you mean "
         "train.epochs?"),
        ({"axes": {"balancer.alpha": [1]}, "balancers": ["fixed"]}, "--grid balancer.alpha: no"),
        ({"axes": {"zzzzzz": [1]}}, "has this key; list all keys with rul config show"),
        ({"axes": {"train.epochs.x": [1]}}, "--grid train.epochs.x: no configuration"),
        ({"sets": ["balancer.alpha=1"], "balancers": ["fixed"]}, "--set balancer.alpha: no"),
        ({"sets": ["train.epoch=1"]}, "did you mean train.epochs?"),
        ({"axes": {"train.epochs": [1, 0]}}, "train.epochs: expected at least 1, found 0"),
        ({"axes": {"train.learning_rate": ["1e-3", 0.001]}}, "are the same; leave one out"),
        ({"sets": ["seed=3"]}, "--set seed: use --seeds"),
        ({"sets": ["balancer.name=amnl"], "balancers": ["fixed"]}, "contradicts --balancer"),
        ({"sets": ["train.epochs"]}, "expected KEY=VALUE"),
    ],
)  # fmt: skip
def test_invalid_grids_are_refused(options, message):
    assert message in refused(**options)


def test_a_missing_extra_is_reported_before_anything_is_trained(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchjd.scalarization", None)
    assert "pip install 'cmapss_rul[torchjd]'" in refused(balancers=["fixed", "torchjd:mean"])


def test_a_folder_name_describes_the_cell():
    cells = make_grid(["fd001"], balancers=["gradnorm"], axes={"balancer.alpha": [0.5]}, seeds=[7])
    assert [run.name for run in cells.runs] == ["fd001-gradnorm-balancer.alpha=0.5-s7"]


def test_unusual_and_long_values_give_safe_and_distinct_names():
    axes = {"model.cnn.channels": [[n] * 16 for n in (31, 32)], "train.learning_rate": [1e-3 / 3]}
    names = [cell.folder_name for cell in make_grid(["fd001"], axes=axes).cells]
    assert len(set(names)) == 2
    for name in names:
        assert len(name) < 160
        assert not set(name) & set(" /[],:\\")


def test_the_digest_covers_what_is_compared():
    first = make_grid(["fd001", "fd003"], balancers=["fixed", "amnl"], seeds=[0, 1])
    again = make_grid(["fd003", "fd001.yaml"], balancers=["amnl", "fixed"], seeds=[1, 0])
    assert first.digest == again.digest
    assert len(first.digest) == 12
    others = [
        make_grid(["fd001"], balancers=["fixed", "amnl"], seeds=[0, 1]),
        make_grid(["fd001", "fd003"], balancers=["fixed", "amnl"], seeds=[0, 2]),
        make_grid(["fd001", "fd003"], balancers=["fixed", "amnl"], seeds=[0, 1], oracle=True),
        make_grid(
            ["fd001", "fd003"], balancers=["fixed", "amnl"], seeds=[0, 1], sets=["train.ema=0.5"]
        ),
    ]
    assert len({first.digest, *(grid.digest for grid in others)}) == 5


def test_the_data_folder_does_not_identify_a_grid():
    here, there = (make_grid(["fd001"], sets=[f"data.dir={folder}"]) for folder in "ab")
    assert here.digest == there.digest


def test_the_configuration_of_a_run_is_valid():
    """`GridRun.config` copies without validation, so the copy must equal what validation gives."""
    for run in make_grid(["fd004"], balancers=["amnl_ema"], seeds=[2]).runs:
        assert from_mapping(RunConfig, run.config.model_dump(mode="json")) == run.config
