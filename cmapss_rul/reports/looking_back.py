"""Where in its window a trained network looks: the weights of its attention."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.windows import Windows
from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.model.network import PREDICTION_BATCH
from cmapss_rul.training.trained_model import TrainedModel


@dataclass(frozen=True, eq=False)
class LookingBack:
    """Attention weights of the test engines' last windows.

    Attributes:
        weights: [engine, step], each row sums to 1; oldest step first.
        ago: [step], cycles from the middle of each step to the window's last cycle.
        step: cycles in a step.
        health: [engine], true class at the last window.
    """

    weights: NDArray[np.float64]
    ago: NDArray[np.float64]
    step: int
    health: NDArray[np.int64]


@torch.inference_mode()
def looking_back(model: TrainedModel, evaluation: Evaluation) -> LookingBack | str:
    """Work out the attention weights.

    Windows that were padded are left out: their oldest cycles never were.

    Args:
        model: runs on the device that its network is on.
        evaluation: of the model.

    Returns:
        The weights, or why there are none.
    """
    fleet = evaluation.fleet
    whole = ~evaluation.predictions.padded[evaluation.last]
    rows = evaluation.last[whole]
    if not len(rows):
        return "attention, for every test record is shorter than the window"
    device = next(model.network.parameters()).device
    series = torch.from_numpy(model.preprocessor.transform(fleet)).to(device)
    windows = Windows.ending_at(series, fleet, rows, model.config.data.window)
    found = []
    for part in torch.split(torch.arange(len(windows), device=device), PREDICTION_BATCH):
        weights = model.network.attention_weights(windows.gather(part))
        if weights is None:
            return "attention, for this network has none: it reads the last state alone"
        found.append(weights)
    shares = torch.cat(found).cpu().numpy().astype(np.float64)
    step = model.config.data.window // shares.shape[1]
    ago = step * np.arange(shares.shape[1])[::-1] + (step - 1) / 2
    return LookingBack(shares, ago, step, evaluation.truth.health[rows])
