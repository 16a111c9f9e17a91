"""Prediction intervals of a network: fitted whenever best.pt is written, or later for a run."""

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
from cmapss_rul.training.validation import OutOfFold, predict_clamped, predict_out_of_fold


def calibrate_network(
    network: Network,
    config: RunConfig,
    engines: EngineNumbers,
    validation: CalibrationPredictions,
    calibration: LabelledWindows,
) -> Calibration | None:
    """Fit the intervals of the network that is about to become best.pt.

    Returns:
        Intervals at the default levels for which there are engines enough; None where each engine
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


def describe_bounds(network: Network, bounds: LabelledWindows, config: DataConfig) -> str:
    """Say how often predictions violate the lower bounds of censored validation records."""
    predicted, _ = predict_clamped(network, bounds.windows, config.cap, "a censored engine")
    bound = bounds.rul.cpu().numpy()
    found = bound_metrics(predicted, bound, bounds.windows.starts.cpu().numpy())
    return (
        f"{found.violated:.1%} of the bounds of {counted(found.engines, 'censored engine')} that "
        f"validate are violated, by {found.shortfall:.2f} {config.unit} in the mean over all "
        "windows"
    )


def calibration_predictions(
    predicted: NDArray[np.float64], labelled: LabelledWindows
) -> CalibrationPredictions:
    """Join predictions of windows at every cycle of some engines with their labels."""
    windows = labelled.windows
    true = labelled.rul.cpu().double().numpy()
    engine, lengths = windows.engine_starts.cpu().numpy(), windows.record_lengths.cpu().numpy()
    return CalibrationPredictions(predicted, true, engine, lengths)


def calibrate_ensemble(
    model: TrainedModel, found: OutOfFold, levels: Sequence[float] | None = None
) -> Calibration:
    """Fit the intervals around an ensemble's mean from each engine's out-of-fold predictions."""
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
    """Add intervals to an existing run, fitted on the engines that it held out of training.

    The checkpoint is rewritten as a whole, or not at all: its entry `calibration` is added or
    replaced, and no other is changed. The training file is fetched where it is missing.

    Args:
        path: a run folder, which means its best.pt, or a checkpoint of the best epoch.
        levels: of the intervals, beside those that the run has; without any, those of 0.8, 0.9
            and 0.95 for which there are engines enough; see `offered_levels`.
        device: where the network computes.
        data_dir: folder of the training file; that of the run by default.
        progress: whether a download shows its progress, on stderr.

    Returns:
        The model with its intervals, as it is in the file.

    Raises:
        UsageError: a level is not supported, with the smallest number of engines that supports
            it; the run cannot be calibrated; the training file is another one.
        CheckpointError: with the path and what is wrong with the file.
        DataError: the training file cannot be obtained or read.
        RulError: another process trains in the folder.
    """
    path = checkpoint_path(path)
    if not path.is_file():
        checkpoint_file.read(path)  # raises: the lock would first create the folder of a wrong path
    with lock_folder(path.parent):
        remove_partial_files(path.parent)  # partial files of a killed call
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
    # the validation engines fit the scales in either case; the quantiles come from engines that
    # chose nothing where some were reserved
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
    """Return the levels wanted, None for the default; refuse a run that does not support one."""
    if model.config.split.by == "windows":
        raise UsageError(f"{model.path}: {LEAK}; intervals take engines that did not train")
    if model.epoch != model.best_epoch:
        raise UsageError(
            f"{model.path}: found epoch {model.epoch}, expected the one that validation chose, "
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
    """Read the fleet that the run trained on; refuse another file."""
    config = model.config.data
    if data_dir is not None:
        config = config.moved_to(data_dir)
    file = ensure_files(config, ["train"], progress=progress)["train"]
    records, found = read_train_records(config, file)
    # the canonical digest: line ends and spaces may differ between copies of a file
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
