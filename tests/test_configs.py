"""Every shipped configuration runs and describes itself."""

import re

import pytest

from cmapss_rul import load_config, load_data, restore, train
from cmapss_rul.balancers import BalancerConfig
from cmapss_rul.config.shipped import shipped_configs
from cmapss_rul.data.columns import CONDITIONS, FAULTS
from cmapss_rul.data.simulate import simulate

BALANCERS = (
    "fixed",
    "amnl",
    "amnl_ema",
    "uncertainty",
    "gradnorm",
    "dtp",
    "dwa",
    "gaba",
    "geometric_mean",
    "random",
)
SHORT = ["train.epochs=1", "train.window_share=0.02", "train.threads=1"]


def test_the_list_is_complete():
    subsets = {f"fd00{n}{kind}" for n in range(1, 5) for kind in ("", "-auxiliary")}
    others = {"demo", "published", "ncmapss-ds02", "ncmapss-ds02-seconds"}
    assert set(shipped_configs()) == subsets | others | set(BALANCERS)


def test_each_balancer_of_the_union_has_an_example():
    members = BalancerConfig.__args__[0].__args__
    names = {member.model_fields["name"].default for member in members}
    extra = {name for name in names if name.startswith("torchjd:")}  # of an optional package
    assert names - extra == set(BALANCERS) <= set(shipped_configs())


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_opens_with_what_it_is_and_the_command(name):
    text = shipped_configs()[name].read_text(encoding="utf-8")
    comment = re.match(r"(#.*\n)+", text)[0]
    assert f"rul train --config {name}\n" in comment
    assert "RMSE" in comment
    assert "minute" in comment


@pytest.mark.parametrize("name", BALANCERS)
def test_an_example_is_fd001_with_that_balancer(name):
    example, shipped_default = load_config(name), load_config("fd001")
    assert example.balancer.name == name
    assert example.model_copy(update={"balancer": None}) == shipped_default.model_copy(
        update={"balancer": None}
    )


def test_the_published_network_has_the_published_size(official):
    config = load_config("published", [f"data.dir={official}"])
    features = len(load_data(config).preprocessor.features)
    assert features == 17
    network = config.model.build(features, config.loss.health.classes, config.data.cap)
    assert sum(network.parameter_counts().values()) == 3_497_476


@pytest.mark.parametrize("name", sorted(set(shipped_configs()) - {"published"}))
def test_one_epoch_of_each(name, tmp_path):
    data = load_config(name).data
    if data.flights is not None:
        pytest.importorskip("h5py")
        from scripts.synthetic_ncmapss import write_ncmapss

        units = {"dev": {1: 4, 2: 4, 3: 4}, "test": {4: 3}}
        write_ncmapss(tmp_path / data.flights.file, units, seconds=60)
    for subset in (data.subset, *data.auxiliary) if data.flights is None else ():
        simulate(tmp_path, engines=6, conditions=CONDITIONS[subset], faults=FAULTS[subset])
    sets = ["data.source=official", f"data.dir={tmp_path}", *SHORT]
    run = train(load_config(name, sets), tmp_path / "run")
    assert restore(run.best).epoch == 1


@pytest.mark.slow
def test_one_epoch_of_the_published_network(tmp_path):
    simulate(tmp_path, engines=6)
    run = train(load_config("published", [f"data.dir={tmp_path}", *SHORT]), tmp_path / "run")
    assert restore(run.best).epoch == 1
