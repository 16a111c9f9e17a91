"""Trained models: network and preprocessor, restored from a checkpoint."""

import math
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmapss_rul.data.conditions import MAX_CONDITIONS
from cmapss_rul.data.preprocess import EnsemblePreprocessor, Preprocessor
from cmapss_rul.data.windows import Windows
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.model.network import Ensemble, Network, predict
from cmapss_rul.training.checkpoint import (
    Checkpoint,
    EngineNumbers,
    RunData,
    Versions,
    refuse_malformed,
)
from cmapss_rul.training.checkpoint_file import BEST, read
from cmapss_rul.training.config import RunConfig


class WindowPredictions(NamedTuple):
    """Predictions of windows.

    Attributes:
        rul: [window], cycles, clamped to [0, cap].
        unclamped: [window], raw output of the network, cycles.
        probabilities: [window, class], of the health classes, the healthiest first.
    """

    rul: NDArray[np.float64]
    unclamped: NDArray[np.float64]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network and its preprocessor, ready to predict.

    Attributes:
        config: configuration of the run; `data.dir` and `data.own_files` are the paths used in
            training.
        network: in evaluation mode.
        preprocessor: fitted on the training engines.
        epoch: number of finished epochs; in an ensemble, the maximum over networks.
        best_epoch: epoch selected by validation so far; in an ensemble, the maximum over networks.
        val_rmse: RMSE over every cycle of the validation engines, capped labels, cycles; in an
            ensemble, of out-of-fold predictions.
        calibration: parameters of the intervals; None for no intervals.
        members: model of each network of an ensemble over folds; empty for a single network.
        seconds: time of training and validation of all networks of an ensemble.
    """

    path: Path
    config: RunConfig
    network: Network | Ensemble
    preprocessor: Preprocessor
    data: RunData
    engines: EngineNumbers
    epoch: int
    best_epoch: int
    val_rmse: float
    versions: Versions
    calibration: Calibration | None = None
    members: tuple["TrainedModel", ...] = ()
    seconds: float | None = None

    def predict(self, windows: Windows) -> WindowPredictions:
        """Predict windows of scaled rows, such as those of `load_data`.

        For raw records, see `cmapss_rul.predict`.

        Args:
            windows: on any device, with the length and features of the network's input.

        >>> import cmapss_rul
        >>> model = cmapss_rul.restore("runs/demo-s0")
        >>> windows = cmapss_rul.load_data(model.config).validation.windows
        >>> model.predict(windows).rul.shape == (len(windows),)
        True
        """
        device = next(self.network.parameters()).device
        rul, probabilities = predict(self.network, windows.to(device))
        # double precision from here on, as in all metrics
        unclamped = rul.cpu().numpy().astype(np.float64)
        return WindowPredictions(
            rul=np.clip(unclamped, 0, self.config.data.cap),
            unclamped=unclamped,
            probabilities=probabilities.cpu().numpy().astype(np.float64),
        )

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, device: torch.device | str = "cpu"
    ) -> "TrainedModel":
        """Restore the model of a checkpoint.

        Raises:
            CheckpointError: the content is invalid; names path and reason.
        """
        config = checkpoint.run_config()
        if checkpoint.members or config.split.is_ensemble:
            return _ensemble(checkpoint, config, device)
        with refuse_malformed(checkpoint.path):
            check_preprocessor(checkpoint.preprocessor, config)
            # on the meta device: weights of another size are refused without allocating memory
            network = config.meta_network()
            check_weights(checkpoint.model, network.state_dict())
            # assign: meta tensors have no memory to copy into
            network.load_state_dict(checkpoint.model, assign=True)
            # a checkpoint saved within the first epoch has no history
            last = (checkpoint.loop.history or [{"epoch": 0, "val_rmse": math.inf}])[-1]
            return cls(
                path=checkpoint.path,
                config=config,
                network=network.to(device).eval(),
                preprocessor=Preprocessor.from_state(checkpoint.preprocessor, config.data),
                data=checkpoint.data,
                engines=checkpoint.engines,
                epoch=int(last["epoch"]),
                best_epoch=checkpoint.loop.best_epoch,
                val_rmse=last["val_rmse"],
                versions=checkpoint.versions,
                calibration=checkpoint.calibration,
            )


def _ensemble(
    checkpoint: Checkpoint, config: RunConfig, device: torch.device | str
) -> TrainedModel:
    """Restore an ensemble with all its networks."""
    with refuse_malformed(checkpoint.path):
        folds = len(config.split.members)
        if len(checkpoint.members) != folds:
            raise ValueError(f"found {len(checkpoint.members)} networks, expected {folds}")
        check_preprocessor(checkpoint.preprocessor, config)
        whole = Preprocessor.from_state(checkpoint.preprocessor, config.data)
        members = tuple(
            TrainedModel.from_checkpoint(checkpoint.member(fold), device) for fold in range(folds)
        )
        networks = [member.network for member in members if isinstance(member.network, Network)]
        return TrainedModel(
            path=checkpoint.path,
            config=config,
            network=Ensemble(networks, config.data.cap).eval(),
            preprocessor=EnsemblePreprocessor.of(whole, [m.preprocessor for m in members]),
            data=checkpoint.data,
            engines=checkpoint.engines,
            epoch=max(member.epoch for member in members),
            best_epoch=max(member.best_epoch for member in members),
            val_rmse=checkpoint.out_of_fold["val_rmse"],
            versions=checkpoint.versions,
            calibration=checkpoint.calibration,
            members=members,
            seconds=checkpoint.host.seconds,
        )


def restore(path: PathLike[str] | str, device: torch.device | str = "cpu") -> TrainedModel:
    """Load the model of a run folder or checkpoint.

    Raises:
        CheckpointError: the checkpoint is invalid; names path and reason.

    >>> import cmapss_rul
    >>> cmapss_rul.restore("runs/demo-s0").config.data.window
    30
    """
    path = checkpoint_path(path)
    return TrainedModel.from_checkpoint(Checkpoint.from_content(read(path), path), device)


def as_model(run_or_model: TrainedModel | PathLike[str] | str) -> TrainedModel:
    """Return a model as it is, or restore that of a run folder or checkpoint, on the CPU."""
    return run_or_model if isinstance(run_or_model, TrainedModel) else restore(run_or_model)


def checkpoint_path(path: PathLike[str] | str) -> Path:
    """Return the path of a checkpoint: `best.pt` of a run folder."""
    path = Path(path)
    return path / BEST if path.is_dir() else path


def check_preprocessor(state: dict[str, Any], config: RunConfig) -> None:
    """Check the tensors of a preprocessor against each other and the configuration.

    Raises:
        ValueError: they do not match.
    """
    data = config.data
    own = (tuple(state["columns"]), state["cycle_count"], state["smoothing"])
    if own != (data.columns, data.cycle_count, data.smoothing):
        raise ValueError("its preprocessor is not that of its configuration")
    unit = state.get("cycle_unit", 1)
    if type(unit) not in (int, float) or not 0 < unit < math.inf:
        raise ValueError(f"preprocessor cycle_unit: found {unit}")
    table = _finite_doubles(state["conditions"], "conditions")
    if table.shape[1:] != (len(data.condition_keys),) or not 1 <= len(table) <= MAX_CONDITIONS:
        raise ValueError(f"preprocessor conditions: found shape {table.shape}")
    # tensors of another shape might broadcast, and give wrong predictions without an error
    expected = (len(table), len(data.columns))
    for name in ("centre", "factor", "low", "high"):
        found = _finite_doubles(state[name], name).shape
        if found != expected:
            raise ValueError(f"preprocessor {name}: found shape {found}, expected {expected}")


def _finite_doubles(tensor: Tensor, name: str) -> "np.ndarray[Any, Any]":
    values = np.asarray(tensor.numpy())
    if values.dtype != np.float64 or not np.isfinite(values).all():
        raise ValueError(f"preprocessor {name}: found values that are not finite, or no doubles")
    return values


def check_weights(state: dict[str, Any], expected: dict[str, Tensor]) -> None:
    """Check the weights of a checkpoint: names, types and shapes as expected, all finite.

    Raises:
        ValueError: a weight is missing, unexpected, or invalid.
    """
    if state.keys() != expected.keys():
        names = sorted(map(str, state.keys() ^ expected.keys()))
        raise ValueError(f"weights {', '.join(names[:3])} are missing or are not the network's")
    for name, tensor in expected.items():
        found = state[name]
        # load_state_dict(assign=True) does not check types
        if not isinstance(found, Tensor) or found.dtype != tensor.dtype:
            raise ValueError(f"weights {name}: expected a tensor of {tensor.dtype}")
        if found.shape != tensor.shape:
            raise ValueError(
                f"size mismatch of weights {name}: found {tuple(found.shape)}, "
                f"expected {tuple(tensor.shape)}"
            )
        if found.is_floating_point() and not bool(found.isfinite().all()):
            raise ValueError(f"weights {name} are not finite")
