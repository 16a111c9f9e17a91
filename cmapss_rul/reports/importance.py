"""How much each input matters to a trained network: permutation importance."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.windows import Windows
from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.metrics.regression import rmse
from cmapss_rul.model.network import PREDICTION_BATCH
from cmapss_rul.training.trained_model import TrainedModel

WINDOWS = 1_000
REPEATS = 5


@dataclass(frozen=True, eq=False)
class Importance:
    """What shuffling each input does to the error.

    Attributes:
        inputs: [input], names.
        rise: [input, repeat], RMSE with the input shuffled − RMSE as it is, cycles.
        rmse: of these windows as they are, capped labels, cycles.
        windows: number of windows.
    """

    inputs: tuple[str, ...]
    rise: NDArray[np.float64]
    rmse: float
    windows: int


@torch.inference_mode()
def importance_of(model: TrainedModel, evaluation: Evaluation) -> Importance:
    """Shuffle one input at a time between windows and see by how much RMSE rises.

    An input's whole course over a window is exchanged with that of another window, so that it
    keeps its own shape and loses its place. Up to 1,000 windows, spread evenly over all cycles of
    the test engines; five shuffles of each input, the same in every call. Inputs that say the
    same stand in for each other: each of them may then look unimportant.

    Source: Breiman, "Random forests", Machine Learning 45 (2001), section 10; as a difference of
    errors in Fisher, Rudin and Dominici, JMLR 20 (2019), section 3.

    Args:
        model: runs on the device that its network is on.
        evaluation: of the model.
    """
    fleet = evaluation.fleet
    count = min(WINDOWS, fleet.rows)
    rows = np.linspace(0, fleet.rows - 1, count).round().astype(np.int64)
    device = next(model.network.parameters()).device
    series = torch.from_numpy(model.preprocessor.transform(fleet)).to(device)
    windows = Windows.ending_at(series, fleet, rows, model.config.data.window)
    true = evaluation.truth.capped[rows]
    base = rmse(_predicted(model, windows, None, 0), true)
    generator = np.random.default_rng(0)
    orders = [torch.from_numpy(generator.permutation(count)).to(device) for _ in range(REPEATS)]
    inputs = model.preprocessor.features
    rise = [
        [rmse(_predicted(model, windows, order, column), true) - base for order in orders]
        for column in range(len(inputs))
    ]
    return Importance(inputs, np.array(rise), base, count)


def _predicted(
    model: TrainedModel, windows: Windows, order: torch.Tensor | None, column: int
) -> NDArray[np.float64]:
    """[window], RUL in [0, cap], with one input taken from other windows."""
    index = torch.arange(len(windows), device=windows.ends.device)
    found = []
    for part in torch.split(index, PREDICTION_BATCH):
        batch = windows.gather(part)
        if order is not None:
            batch[:, :, column] = windows.gather(order[part])[:, :, column]
        found.append(model.network(batch).rul)
    unclamped = torch.cat(found).cpu().numpy().astype(np.float64)
    return np.clip(unclamped, 0, model.config.data.cap)
