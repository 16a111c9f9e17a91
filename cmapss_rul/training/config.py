"""Configuration of a run: `RunConfig`, and its `train` part."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, ValidationError, model_validator

from cmapss_rul.balancers import BalancerConfig, FixedConfig
from cmapss_rul.config.base import Config
from cmapss_rul.config.load import load
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.losses import LossConfig
from cmapss_rul.model.network import Network, NetworkConfig
from cmapss_rul.system.errors import RulError
from cmapss_rul.training.checkpoint_file import open_sealed
from cmapss_rul.training.reporters import read_metrics
from cmapss_rul.training.schedule import CosineConfig, ScheduleConfig

MAX_PARAMETERS = 50_000_000
"""A *guess*: 14 times the published network. Training needs six copies, 1.2 GB."""


class TrainConfig(Config):
    """The `train` part of a configuration."""

    epochs: int = Field(12, ge=1, le=100_000, description="Maximum number of epochs.")
    # *from the paper* (AMNL): 256, elsewhere in it 32
    batch_size: int = Field(256, ge=1, le=10**9, description="Windows per step (batch size).")
    window_share: float = Field(
        1.0, gt=0, le=1, description="Share of the training windows drawn for each epoch."
    )
    auxiliary_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the windows of data.auxiliary drawn for each epoch; null for "
        "window_share.",
    )
    optimiser: Literal["adamw", "muon"] = Field(
        "adamw",
        description="adamw; or muon for the matrices of the BiLSTM, with AdamW for all else.",
    )
    # *from the paper* (AMNL): peak rate and clipping; its weight decay is 1e-4
    learning_rate: float = Field(1e-3, gt=0, le=10, description="Peak learning rate.")
    weight_decay: float = Field(1e-2, ge=0, le=10, description="Decoupled weight decay.")
    # *from the paper* (AMNL): 10 epochs of warm-up and an EMA of 0.999, in up to 500 epochs
    warmup: float = Field(
        1.0, ge=0, le=100_000, description="Epochs of linear warm-up, at most half of the run."
    )
    schedule: ScheduleConfig = Field(
        CosineConfig(), description="Learning rate schedule after the warm-up."
    )
    clip: float | None = Field(
        1.0, gt=0, description="Maximum gradient norm of the network; null for no clipping."
    )
    ema: float | None = Field(
        0.99,
        ge=0,
        lt=1,
        description="Decay per step of the exponential moving average (EMA) of the weights, which "
        "evaluation uses; null for no average.",
    )
    select: Literal["val_rmse", "val_cut_rmse", "val_cut_nasa"] = Field(
        "val_rmse",
        description="Metric that selects the best epoch: over every cycle, or at random cuts of "
        "the validation engines.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Early stopping: epochs without improvement of train.select; null for none.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Threads of PyTorch; null for all cores (with torchrun, for a share of them).",
    )
    mixed_precision: bool = Field(
        False, description="bfloat16 autocast on CUDA; no effect on a CPU."
    )

    def thread_count(self) -> int:
        """Return the number of threads: by default, the process's share of the cores."""
        return self.threads or max(1, _cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: the cores that this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class RunConfig(Config):
    """Complete configuration of a run, from YAML, `--set`, Python or a checkpoint."""

    seed: int = Field(
        0,
        ge=0,
        lt=2**63,
        description="Seed of initialisation, shuffling and dropout; also of the split if "
        "split.seed is null.",
    )
    data: DataConfig = Field(DataConfig(), description="Data files, columns, labels and windows.")
    split: SplitConfig = Field(
        SplitConfig(), description="Training, validation, calibration and test engines."
    )
    model: NetworkConfig = Field(NetworkConfig(), description="Architecture of the network.")
    loss: LossConfig = Field(LossConfig(), description="Losses of the two tasks.")
    balancer: BalancerConfig = Field(
        FixedConfig(), description="Loss balancer; see `rul config list`."
    )
    train: TrainConfig = Field(TrainConfig(), description="Optimisation and training loop.")

    @model_validator(mode="before")
    @classmethod
    def _resolve_weights_from(cls, values: Any) -> Any:
        """Replace `balancer.weights_from` with the weights, so that no run depends on another."""
        balancer = values.get("balancer") if isinstance(values, Mapping) else None
        # only `fixed` has weights to set
        if not isinstance(balancer, Mapping) or balancer.get("name", "fixed") != "fixed":
            return values
        others = {key: value for key, value in balancer.items() if key != "weights_from"}
        run = balancer.get("weights_from")
        if isinstance(run, str):
            others["weights"] = last_weights(Path(run))
        elif run is not None:
            raise ValueError("balancer.weights_from: expected a run folder or a checkpoint")
        return {**values, "balancer": others}

    @model_validator(mode="after")
    def _check_boundaries(self) -> "RunConfig":
        self.loss.health.check(self.data.cap)
        return self

    @model_validator(mode="after")
    def _check_window(self) -> "RunConfig":
        window, pool = self.data.window, self.model.cnn.pool
        if window % pool:
            raise ValueError(
                f"data.window should be a multiple of model.cnn.pool, found {window} and {pool}"
            )
        return self

    @model_validator(mode="after")
    def _check_test_options(self) -> "RunConfig":
        """Refuse options of a held-out test set if there is a test file."""
        for key in ("test", "test_seed", "test_folds"):
            if getattr(self.split, key) == SplitConfig.model_fields[key].default:
                continue
            if not self.data.own or self.data.test is not None:
                where = "data.test names a test file" if self.data.own else "C-MAPSS has test files"
                raise ValueError(f"split.{key} is for data.train without data.test; here {where}")
        return self

    @model_validator(mode="after")
    def _check_parameter_count(self) -> "RunConfig":
        found = sum(parameter.numel() for parameter in self.meta_network().parameters())
        if found > MAX_PARAMETERS:
            raise ValueError(
                f"model has {found:,} parameters; expected at most {MAX_PARAMETERS:,}: "
                "use fewer or narrower layers"
            )
        return self

    def build_network(self) -> Network:
        """Build the network, initialised from PyTorch's global generator."""
        data = self.data
        sensors = [name in data.sensor_names for name in data.columns] + [False] * data.cycle_count
        return self.model.build(len(sensors), self.loss.health.classes, data.cap, sensors)

    def meta_network(self) -> Network:
        """Build the network on the meta device: shapes of the weights without memory."""
        # used to count parameters, so that an oversized network is refused before allocation
        with torch.device("meta"):
            return self.build_network()

    def with_data_dir(self, folder: Path | str | None) -> "RunConfig":
        """Return the configuration with its data files in another folder, if one is given."""
        if folder is None:
            return self
        return self.model_copy(update={"data": self.data.moved_to(folder)})

    def without_paths(self) -> dict[str, Any]:
        """Return the plain values that determine the result: all but the data folders."""
        plain = self.model_dump(mode="json")
        del plain["data"]["dir"]
        # file names remain: a folder may move, but another file means another run
        plain["data"] |= {key: Path(path).name for key, path in self.data.own_files.items()}
        return plain


def last_weights(run: Path) -> tuple[float, float]:
    """Read the mean weights of the two losses over the last epoch of a run.

    Args:
        run: run folder, of which metrics.csv is read, or a checkpoint.

    Raises:
        ValueError: there is no such run, or it has no finished epoch.
    """
    try:
        if run.is_dir():
            last: Mapping[str, float] = read_metrics(run / "metrics.csv")[-1]
        else:
            last = open_sealed(run)[0]["loop"]["history"][-1]
        return float(last["weight_rul"]), float(last["weight_health"])
    except RulError as error:
        raise ValueError(f"balancer.weights_from: {error}") from error
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"balancer.weights_from: {run} has no finished epoch") from error


def fill_defaults(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Add missing keys, at their defaults, to the plain configuration of an older version.

    The default of a later key reproduces the earlier behaviour. Values that this version refuses
    are returned unchanged.
    """
    try:
        return RunConfig.model_validate(plain).without_paths()
    except ValidationError:
        return dict(plain)


def flatten(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings into one with dotted keys.

    >>> flatten({"a": {"b": 1}, "c": [2]})
    {'a.b': 1, 'c': [2]}
    """
    found: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, Mapping):
            found.update(flatten(value, f"{prefix}{key}."))
        else:
            found[f"{prefix}{key}"] = value
    return found


def changed_keys(
    then: Mapping[str, Any], now: Mapping[str, Any], but: Collection[str]
) -> list[str]:
    """Describe the dotted keys, except some, whose values differ.

    >>> changed_keys({"a": 1, "b": 2}, {"a": 3}, but={"b"})
    ['a was 1 and is 3']
    """
    return [
        f"{key} was {then.get(key, 'absent')} and is {now.get(key, 'absent')}"
        for key in sorted((then.keys() | now.keys()) - {*but})
        if then.get(key) != now.get(key)
    ]


def load_config(name_or_path: str | Path, sets: Sequence[str] = ()) -> RunConfig:
    """Load the configuration of a run by path or shipped name.

    Args:
        name_or_path: a YAML file, or a shipped configuration with or without `.yaml`.
        sets: overrides such as `train.epochs=1`, in order.

    Raises:
        UsageError: no such configuration, invalid YAML, or wrong keys and values, all listed.
    """
    return load(RunConfig, name_or_path, sets)
