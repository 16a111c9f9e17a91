"""The program of each rank in tests/training/test_ranks.py, started by torchrun.

torchrun --standalone --nproc-per-node 2 -m tests.training.two_ranks FOLDER [ARGUMENT …]

At the end, the ranks run the command `rul` with the arguments.
"""

import copy
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from cmapss_rul.cli import main as rul
from cmapss_rul.training import ranks
from cmapss_rul.training.ranks import ProcessGroup, join_process_group
from cmapss_rul.training.step import TrainingStep
from tests.balancers.variants import VARIANTS, title
from tests.training.inputs import tiny_config
from tests.training.test_step import FEATURES, PLAN, batch

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


def record_steps(
    group: ProcessGroup, *, stopped: bool = False, censored: bool = False, **parts: Any
) -> dict[str, Any]:
    """Take three steps on batches of an odd size; return the resulting state as tensors.

    Args:
        group: that takes them.
        stopped: before the last step, and continued by another training step.
        censored: some windows, and all of the second rank, of which none has a known class.
        parts: of the configuration.
    """
    config = tiny_config(Path("anywhere"), **parts)
    torch.manual_seed(1)

    def training_step() -> TrainingStep:
        return TrainingStep(
            config, config.model.build(FEATURES, 3, 125), torch.device("cpu"), group
        )

    one = training_step()
    measures = []
    for step in range(STEPS):
        if stopped and step == STEPS - 1:
            state, generator = copy.deepcopy(one.state_dict()), torch.get_rng_state()
            one = training_step()
            one.load_state_dict(state)
            torch.set_rng_state(generator)
        whole = batch(step, size=WINDOWS)
        if censored:
            marks = torch.tensor([0, 1, 0, 1, 1, 1, 1]).bool()
            whole = whole._replace(health=whole.health.masked_fill(marks, -1), censored=marks)
        index = group.local_share(torch.arange(WINDOWS))
        shared = type(whole)(*(None if part is None else part[index] for part in whole))
        measures.append(one.take(shared, step, PLAN))
    own = [parameter.detach() for parameter in one.balancer.parameters()]
    return {
        "weights": dict(one.network.state_dict()),
        "averaged": dict(one.evaluation_network().state_dict()),
        "balancer": dict(one.balancer.state_dict()) | {f"own{i}": w for i, w in enumerate(own)},
        "measures": torch.stack(measures),
        "gradients": {name: w.grad for name, w in one.network.named_parameters()},
        "generator": torch.get_rng_state(),
    }


def all_variants(group: ProcessGroup) -> dict[str, Any]:
    """Record the steps with every balancer, with Muon, and with dropout and noise."""
    found = {title(v): record_steps(group, balancer=v.model_dump()) for v in VARIANTS}
    found["muon"] = record_steps(group, train={"optimiser": "muon"})
    for name in ("fixed", "dtp", "gradnorm"):
        found[f"censored {name}"] = record_steps(group, censored=True, balancer={"name": name})
    parts = {"model": DROPOUT, "balancer": {"name": "random"}}
    dropout = {
        "dropout": record_steps(group, **parts),
        "resumed": record_steps(group, stopped=True, **parts),
    }
    return {**found, **dropout}


def main(folder: Path, *arguments: str) -> None:
    """Save the steps of this rank and run the command, which exits with its own code."""
    torch.set_num_threads(1)
    with join_process_group("cpu") as group:
        found = {**all_variants(group), "description": group.description}
        mine = torch.arange(WINDOWS)[group.local_share(torch.arange(WINDOWS))]
        torch.save({**found, "share": mine}, folder / f"rank{group.rank}.pt")
        # run in this group, because starting two more processes would take longer than the test
        ranks.join_process_group = lambda _: nullcontext(group)
        try:
            rul(arguments)
        except SystemExit as end:
            code = end.code
    sys.exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
