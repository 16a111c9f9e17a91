"""Predictions and metrics on validation engines, of a network or out of fold."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.trainset import prepare_training_data
from cmapss_rul.data.windows import LabelledWindows, Windows
from cmapss_rul.metrics.regression import nasa_mean, random_cut_weights, rmse
from cmapss_rul.model.network import Ensemble, Network, predict
from cmapss_rul.system.errors import RulError
from cmapss_rul.training.trained_model import TrainedModel


def predict_clamped(
    network: Network | Ensemble, windows: Windows, cap: int, whose: str
) -> tuple[NDArray[np.float64], Tensor]:
    """Predict windows of held-out engines, which `whose` names in the error message.

    Returns:
        RUL [window], clamped to [0, cap], cycles; and probabilities [window, class].

    Raises:
        RulError: a prediction is not finite.
    """
    rul, probabilities = predict(network, windows)
    if not rul.isfinite().all():  # before clamping, which turns infinity into the cap
        raise RulError(
            f"a prediction for {whose} was not finite; try a smaller train.learning_rate"
        )
    return rul.clamp(0, cap).cpu().double().numpy(), probabilities


def cut_weights(labelled: LabelledWindows) -> NDArray[np.float64]:
    """Return the weights [window] of `random_cut_weights`."""
    engine, lengths = labelled.windows.engine_starts, labelled.windows.record_lengths
    return random_cut_weights(engine.cpu().numpy(), lengths.cpu().numpy())


def validation_metrics(
    predicted: NDArray[np.float64], probabilities: Tensor, labelled: LabelledWindows
) -> dict[str, float]:
    """Compute metrics of clamped predictions [window] and probabilities [window, class]."""
    true, cuts = labelled.rul.cpu().double().numpy(), cut_weights(labelled)
    right = probabilities.argmax(dim=1) == labelled.health
    return {
        "val_rmse": rmse(predicted, true),
        "val_nasa": nasa_mean(predicted, true),
        "val_cut_rmse": rmse(predicted, true, cuts),
        "val_cut_nasa": nasa_mean(predicted, true, cuts),
        "val_health_accuracy": float(right.cpu().double().mean()),
    }


@dataclass(frozen=True, eq=False)
class OutOfFoldPredictions:
    """Out-of-fold predictions at every cycle of the failed engines, fold by fold.

    Attributes:
        predicted: [window], RUL, clamped to [0, cap], cycles.
        probabilities: [window, class], on the CPU.
        labelled: the windows and their labels, on the CPU.
    """

    predicted: NDArray[np.float64]
    probabilities: Tensor
    labelled: LabelledWindows


def predict_out_of_fold(ensemble: TrainedModel, fleet: Fleet) -> OutOfFoldPredictions:
    """Predict the validation engines of each network with that network.

    Raises:
        RulError: a prediction is not finite.
    """
    # without the held-out test engines: with them, the draw of the folds would differ
    fleet = fleet.select_engines(np.array(ensemble.engines.training))
    predicted, probabilities, labelled = [], [], []
    for member in ensemble.members:
        config, device = member.config, next(member.network.parameters()).device
        boundaries = config.loss.health.boundaries
        # repeats the split and the scaling of the fold: deterministic in `config`
        data = prepare_training_data(fleet, config.data, config.split, boundaries, config.seed)
        whose = f"an engine that fold {config.split.fold} validates on"
        windows = data.validation.windows.to(device)
        rul, shares = predict_clamped(member.network, windows, config.data.cap, whose)
        predicted.append(rul)
        probabilities.append(shares.cpu())
        labelled.append(data.validation)
    return OutOfFoldPredictions(
        np.concatenate(predicted), torch.cat(probabilities), LabelledWindows.concatenate(labelled)
    )
