"""All five balancers on all four subsets: each trains, and no two give the same network."""

from itertools import combinations

import pytest
import torch

from cmapss_rul import load_config, restore, train
from cmapss_rul.data.columns import CONDITIONS, FAULTS, SUBSETS
from cmapss_rul.data.simulate import simulate

BALANCERS = ("fixed", "amnl", "amnl_ema", "uncertainty", "gradnorm")
SHORT = [
    "train.epochs=1",
    "train.window_share=0.1",
    "train.batch_size=16",  # several steps: in the first one gradnorm is fixed, amnl_ema is amnl
    "train.threads=1",
    "model.bilstm.hidden=8",
    "model.cnn.channels=[4]",
]


def weights_of_each(subset, folder, place) -> dict[str, torch.Tensor]:
    found = {}
    for name in BALANCERS:
        data = [f"data.subset={subset}", "data.auxiliary=[]", f"data.dir={folder}"]
        sets = [f"balancer.name={name}", *data, *SHORT]
        run = train(load_config("fd001", sets), place / f"{subset}-{name}")
        parameters = restore(run.best).network.parameters()
        found[name] = torch.cat([parameter.detach().flatten() for parameter in parameters])
    return found


def all_finite_and_different(weights: dict[str, torch.Tensor]) -> bool:
    return all(values.isfinite().all() for values in weights.values()) and not any(
        torch.equal(weights[a], weights[b]) for a, b in combinations(weights, 2)
    )


@pytest.mark.parametrize("subset", SUBSETS)
def test_on_a_simulated_fleet(subset, tmp_path):
    simulate(tmp_path, engines=5, conditions=CONDITIONS[subset], faults=FAULTS[subset])
    assert all_finite_and_different(weights_of_each(subset, tmp_path, tmp_path))


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_on_the_official_files(subset, official, tmp_path):
    assert all_finite_and_different(weights_of_each(subset, official, tmp_path))
