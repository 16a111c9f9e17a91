"""What each of several ranks does in the tests of `ranks`; torchrun starts it.

torchrun --standalone --nproc-per-node 2 -m tests.training.two_ranks FOLDER
"""

import sys
from pathlib import Path
from typing import Any

import torch

from cmapss_rul.training.optimisation import Trainer
from cmapss_rul.training.ranks import Ranks, joined
from tests.balancers.variants import VARIANTS, title
from tests.training.inputs import tiny
from tests.training.test_optimisation import FEATURES, PLAN, batch

STEPS, WINDOWS = 3, 7
DROPOUT = {
    "input_noise": 0.1,
    "cnn": {"channels": [3], "kernel": 3, "dropout": 0.5},
    "bilstm": {"hidden": 3},
    "attention": {"hidden": 3, "dropout": 0},
    "shared": {"hidden": [4], "dropout": 0},
    "rul_head": {"hidden": []},
    "health_head": {"hidden": []},
}


def stepped(ranks: Ranks, **parts: Any) -> dict[str, Any]:
    """Take three steps on batches of an odd size; everything that they leave, as tensors."""
    config = tiny(Path("anywhere"), **parts)
    torch.manual_seed(1)
    network = config.model.build(FEATURES, 3, 125)
    one = Trainer(config, network, torch.device("cpu"), ranks)
    measures = []
    for step in range(STEPS):
        whole = batch(step, size=WINDOWS)
        index = ranks.share(torch.arange(WINDOWS))
        shared = type(whole)(*(part[index] for part in whole))
        measures.append(one.step(shared, step, PLAN))
    own = [parameter.detach() for parameter in one.balancer.parameters()]
    return {
        "weights": dict(one.network.state_dict()),
        "averaged": dict(one.evaluation_network().state_dict()),
        "balancer": dict(one.balancer.state_dict()) | {f"own{i}": w for i, w in enumerate(own)},
        "measures": torch.stack(measures),
        "gradients": {name: w.grad for name, w in one.network.named_parameters()},
        "generator": torch.get_rng_state(),
    }


def all_variants(ranks: Ranks) -> dict[str, Any]:
    """The same with every balancer, and with dropout and noise."""
    found = {title(v): stepped(ranks, balancer=v.model_dump()) for v in VARIANTS}
    return {**found, "dropout": stepped(ranks, model=DROPOUT)}


def main(folder: Path) -> None:
    """Save what this rank found."""
    torch.set_num_threads(1)
    with joined("cpu") as ranks:
        found = {**all_variants(ranks), "names": ranks.names}
        mine = torch.arange(WINDOWS)[ranks.share(torch.arange(WINDOWS))]
        torch.save({**found, "share": mine}, folder / f"rank{ranks.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
