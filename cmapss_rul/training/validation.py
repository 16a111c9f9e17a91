"""Validation metrics, by the names of the columns of metrics.csv."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cmapss_rul.data.windows import LabelledWindows
from cmapss_rul.metrics.regression import nasa_mean, random_cut_weights, rmse


def cut_weights(labelled: LabelledWindows) -> NDArray[np.float64]:
    """[window], the weight of each if every engine is cut at a random cycle."""
    engine, lengths = labelled.windows.engine_starts, labelled.windows.record_lengths
    return random_cut_weights(engine.cpu().numpy(), lengths.cpu().numpy())


def validation_metrics(
    predicted: NDArray[np.float64], probabilities: Tensor, labelled: LabelledWindows
) -> dict[str, float]:
    """Metrics of predictions [window], clamped, and of probabilities [window, class]."""
    true, cuts = labelled.rul.cpu().double().numpy(), cut_weights(labelled)
    right = probabilities.argmax(dim=1) == labelled.health
    return {
        "val_rmse": rmse(predicted, true),
        "val_nasa": nasa_mean(predicted, true),
        "val_cut_rmse": rmse(predicted, true, cuts),
        "val_cut_nasa": nasa_mean(predicted, true, cuts),
        "val_health_accuracy": float(right.cpu().double().mean()),
    }
