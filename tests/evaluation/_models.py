"""Synthetic trained models: a tiny network, or one with known predictions."""

import dataclasses
from pathlib import Path

import torch
from torch import nn

from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.trainset import prepare_training_data
from cmapss_rul.data.verification import provenance
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.model.network import Output
from cmapss_rul.training import checkpoint, checkpoint_file
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.reporters import COLUMNS, TIMES
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import TrainedModel, restore
from tests.data._own import KEYS

TINY = {
    "cnn": {"channels": [3], "kernel": 3},
    "bilstm": {"hidden": 3},
    "attention": {"hidden": 3},
    "shared": {"hidden": [4]},
    "rul_head": {"hidden": []},
    "health_head": {"hidden": []},
}

FIGURES = {name: 12.5 for name in COLUMNS if name not in TIMES}
"""A row of a run's history."""


class Countdown(nn.Module):
    """Predicts `start` − cycle, and a health class by the boundaries 100 and 50 of that.

    The cycle comes from the last feature of the last row, the cycle count ÷ 200.
    """

    def __init__(self, start: float = 200.0) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.tensor(start))

    def forward(self, windows, padding):
        del padding
        rul = self.start - 200 * windows[:, -1, -1]
        worse = (rul <= 100).long() + (rul <= 50).long()
        return Output(rul, 2.0 * nn.functional.one_hot(worse, 3))


def config_for(folder: Path, boundaries=(125, 50), **data) -> RunConfig:
    """Change `data`, and the boundaries of the health classes."""
    return RunConfig.model_validate(
        {
            "data": {"dir": str(folder), "window": 40, **data},
            "model": TINY,
            "loss": {"health": {"boundaries": boundaries}},
        }
    )


def content_for(config: RunConfig) -> dict:
    """Content of the checkpoint of an untrained network."""
    file = Path(config.data.dir) / f"train_{config.data.subset}.txt"
    boundaries = config.loss.health.boundaries
    data = prepare_training_data(
        read_fleet(file), config.data, config.split, boundaries, config.seed
    )
    torch.manual_seed(1)
    network = config.build_network()
    source = dataclasses.asdict(provenance(file))
    return {
        "format_version": checkpoint_file.FORMAT_VERSION,
        "versions": checkpoint.Versions.current().model_dump(),
        "config": config.without_paths(),
        "data": {
            **source,
            "subset": config.data.subset,
            "mean_label": data.mean_label,
            "auxiliary": [],
        },
        "preprocessor": data.preprocessor.state_dict(),
        "split": {
            "training": data.engines.training.tolist(),
            "validation": data.engines.validation.tolist(),
            "calibration": data.engines.calibration.tolist(),
        },
        "model": dict(network.state_dict()),
        "loop": {
            "epoch": 7, "batch": 0, "step": 70, "sums": [0.0] * 6,
            "best_value": 12.5, "best_epoch": 7, "stale": 0,
            "history": [{**FIGURES, "epoch": epoch} for epoch in range(1, 8)],
        },
        "host": {
            "folder": "", "data_dir": config.data.dir, "device": "cpu", "threads": 1,
            "clock": {"training": 0.0, "rows": [dict.fromkeys(TIMES, 1.0)] * 7},
        },
    }  # fmt: skip


def write_checkpoint(path: Path, config: RunConfig) -> Path:
    checkpoint_file.write(path, content_for(config))
    return path


INTERVALS = Calibration(
    kind="validation",
    engines=list(range(1, 11)),
    levels=[0.5, 0.8, 0.9],
    quantiles=[1.0, 2.0, 3.0],
    form="normalised",
    knots=[25.0, 125.0],
    late=[2.0, 12.0],
    early=[4.0, 4.0],
)
"""At level 0.8 a prediction of 25 gives 21 to 33, one of 75 gives 61 to 83."""


SHIFTS = {"nasa_knots": [20.0, 120.0], "nasa_shifts": [-1.0, -11.0]}
"""A tenth of what a prediction is above 10 comes off, but one cycle below 20."""


def calibrated(model: TrainedModel, **changes) -> TrainedModel:
    """The same model with known intervals."""
    return dataclasses.replace(model, calibration=INTERVALS.model_copy(update=changes))


def countdown(model: TrainedModel, start: float = 200.0) -> TrainedModel:
    """The same model with known predictions: `start` − cycle."""
    return dataclasses.replace(model, network=Countdown(start))


def trained(file: Path, run: Path, split: dict | None = None, **data) -> TrainedModel:
    """Train for an epoch on the CSV of an own fleet that `write_own` writes."""
    config = RunConfig.model_validate(
        {
            "data": {**KEYS, "train": str(file), **data},
            "loss": {"health": {"boundaries": [10, 4]}},
            "split": split or {},
            "model": TINY,
            "train": {"epochs": 1, "threads": 1},
        }
    )
    train(config, run, device="cpu")
    return restore(run)
