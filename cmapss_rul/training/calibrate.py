"""Calibration of prediction intervals: whenever best.pt is written, or later for a finished run."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.labels import cap_rul, run_to_failure_rul
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.data.split import LEAK
from cmapss_rul.data.trainset import read_train_records
from cmapss_rul.data.windows import LabelledWindows, Windows
from cmapss_rul.display.text import counted
from cmapss_rul.intervals.calibration import (
    Calibration,
    CalibrationPredictions,
    fit_calibration,
    unsupported_reason,
    validate_levels,
)
from cmapss_rul.intervals.conformal import DEFAULT_LEVELS, supported_levels
from cmapss_rul.metrics.censored import bound_metrics
from cmapss_rul.model.network import Network
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.files import remove_partial_files
from cmapss_rul.system.locks import lock_folder
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint import Checkpoint, EngineNumbers
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.trained_model import TrainedModel, checkpoint_path
from cmapss_rul.training.validation import (
    OutOfFoldPredictions,
    predict_clamped,
    predict_out_of_fold,
)


def calibrate_network(
    network: Network,
    config: RunConfig,
    engines: EngineNumbers,
    validation: CalibrationPredictions,
    calibration: LabelledWindows,
) -> Calibration | None:
    """Calibrate the intervals of the network that is about to be saved as best.pt.

    Returns:
        Intervals at the default levels supported by the number of engines; None if all engines
        trained.
    """
    if config.split.by == "windows":
        return None
    cap = config.data.cap
    reserved = None
    if engines.calibration:
        rul, _ = predict_clamped(network, calibration.windows, cap, "a calibration engine")
        reserved = calibration_predictions(rul, calibration)
    return fit_calibration(validation, reserved, engines.calibrating, None, cap)


def describe_bound_violations(network: Network, bounds: LabelledWindows, config: DataConfig) -> str:
    """Describe how often predictions violate the lower bounds of censored validation records."""
    predicted, _ = predict_clamped(network, bounds.windows, config.cap, "a censored engine")
    bound = bounds.rul.cpu().numpy()
    found = bound_metrics(predicted, bound, bounds.windows.starts.cpu().numpy())
    return (
        f"predictions violate {found.violated:.1%} of the bounds of "
        f"{counted(found.engines, 'censored validation engine')}; mean shortfall over all windows "
        f"{found.shortfall:.2f} {config.unit}"
    )


def calibration_predictions(
    predicted: NDArray[np.float64], labelled: LabelledWindows
) -> CalibrationPredictions:
    """Combine predictions of windows at every cycle of some engines with their labels."""
    windows = labelled.windows
    true = labelled.rul.cpu().double().numpy()
    engine, lengths = windows.engine_starts.cpu().numpy(), windows.record_lengths.cpu().numpy()
    return CalibrationPredictions(predicted, true, engine, lengths)


def calibrate_ensemble(
    model: TrainedModel, found: OutOfFoldPredictions, levels: Sequence[float] | None = None
) -> Calibration:
    """Calibrate the intervals of an ensemble on out-of-fold predictions."""
    predictions = calibration_predictions(found.predicted, found.labelled)
    engines, cap = model.engines.calibrating, model.config.data.cap
    return fit_calibration(predictions, None, engines, levels, cap, kind="out-of-fold")


def calibrate_run(
    path: PathLike[str] | str,
    levels: Sequence[float] | None = None,
    *,
    device: torch.device | str = "cpu",
    data_dir: Path | str | None = None,
    progress: bool = True,
) -> TrainedModel:
    """Calibrate the intervals of an existing run on the engines held out from training.

    The checkpoint is rewritten atomically, with only its entry `calibration` added or replaced.
    A missing training file is fetched.

    Args:
        path: a run folder, or its best.pt.
        levels: coverage levels to add to those of the run; by default those of 0.8, 0.9 and
            0.95 that the number of engines supports; see `offered_levels`.
        device: device of the network.
        data_dir: folder of the training file; by default that of the run.
        progress: whether to show the progress of a download on stderr.

    Returns:
        The model with its new intervals.

    Raises:
        UsageError: a level is not supported (names the number of engines needed); the run
            cannot be calibrated; the training file differs from the run's.
        CheckpointError: the checkpoint is invalid.
        DataError: the training file cannot be obtained or read.
        RulError: another process trains in the folder.
    """
    path = checkpoint_path(path)
    if not path.is_file():
        checkpoint_file.read(path)  # raises, before the lock creates the folder of a mistyped path
    with lock_folder(path.parent):
        remove_partial_files(path.parent)  # of a killed process
        found = Checkpoint.from_content(checkpoint_file.read(path), path)
        model = TrainedModel.from_checkpoint(found, device)
        wanted = _supported_levels(model, levels)
        fleet = _read_train_file(model, data_dir, progress)
        calibration = _calibrate(model, fleet, wanted)
        checkpoint_file.write(path, {**found.content, "calibration": calibration.model_dump()})
    return replace(model, calibration=calibration)


def _calibrate(model: TrainedModel, fleet: Fleet, levels: Sequence[float] | None) -> Calibration:
    if model.members:
        return calibrate_ensemble(model, predict_out_of_fold(model, fleet), levels)
    reserved = None
    validation = {*model.engines.validation} - {*model.engines.censored}
    if model.engines.calibration:
        reserved = _predict_engines(model, fleet, model.engines.calibrating)
    # the scales are always fitted on the validation engines; the quantiles on reserved engines,
    # if there are any, since these did not select the epoch
    return fit_calibration(
        _predict_engines(model, fleet, sorted(validation)),
        reserved,
        model.engines.calibrating,
        levels,
        model.config.data.cap,
    )


def _supported_levels(
    model: TrainedModel, levels: Sequence[float] | None
) -> tuple[float, ...] | None:
    """Return the requested levels, None for the default; refuse a run without supported levels."""
    if model.config.split.by == "windows":
        raise UsageError(f"{model.path}: {LEAK}; intervals need engines that did not train")
    if model.epoch != model.best_epoch:
        raise UsageError(
            f"{model.path}: found epoch {model.epoch}, expected the best epoch, "
            f"{model.best_epoch}; name the run folder or its best.pt"
        )
    engines = len(model.engines.calibrating)
    if levels:
        present = model.calibration.levels if model.calibration else []
        return validate_levels([*levels, *present], engines)
    if not supported_levels(DEFAULT_LEVELS, engines):
        reason = unsupported_reason(engines, DEFAULT_LEVELS)
        raise UsageError(f"{model.path}: {reason}; --level names another")
    return None


def _read_train_file(model: TrainedModel, data_dir: Path | str | None, progress: bool) -> Fleet:
    """Read the training file of the run; refuse another file."""
    config = model.config.with_data_dir(data_dir).data
    file = ensure_files(config, ["train"], progress=progress)["train"]
    records, found = read_train_records(config, file)
    # the canonical digest, since line ends and trailing spaces may differ between copies
    if found.canonical_sha256 != model.data.canonical_sha256:
        raise UsageError(
            f"{file}: found SHA-256 {found.sha256[:12]}…, expected the file that the "
            f"run trained on, {model.data.sha256[:12]}…; name its folder with --data"
        )
    return records.fleet


def _predict_engines(
    model: TrainedModel, fleet: Fleet, engines: list[int]
) -> CalibrationPredictions:
    """Predict at every cycle of some engines of the training file."""
    selected = fleet.select_engines(np.array(engines))
    device = next(model.network.parameters()).device
    series = torch.from_numpy(model.preprocessor.transform(selected)).to(device)
    data = model.config.data
    windows = Windows.every_cycle(series, selected, data.window)
    rul, _ = predict_clamped(model.network, windows, data.cap, "a calibration engine")
    true = cap_rul(run_to_failure_rul(selected), data.cap).astype(np.float64)
    return CalibrationPredictions(rul, true, selected.engine, windows.record_lengths.cpu().numpy())
