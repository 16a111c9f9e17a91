"""Statistics of sensors over windows of several lengths: the inputs of gradient boosting."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.windows import Windows

LENGTHS = (10, 30, 90)
"""Windows in cycles: a short one for the state as it is, a long one for the trend."""


def window_statistics(
    windows: Windows, features: Sequence[str], lengths: Sequence[int] = LENGTHS
) -> tuple[NDArray[np.float32], list[str]]:
    """Describe each window's record by statistics of its last cycles.

    Of each feature the last value; of each sensor also mean, slope and standard deviation over
    the last cycles, for every length. Where a record is shorter, all its cycles count, and
    nothing is repeated. Sums over a window are differences of cumulative sums, so the work grows
    with rows × lengths, whatever the lengths are.

    Slope: that of the least-squares line, a cycle; over n cycles x₁ … xₙ it is
    Σ (t − t̄)·xₜ / (n·(n² − 1)/12), and 0 for a single one.

    Args:
        windows: of scaled rows; their own length does not matter.
        features: names of the columns of the series; `cycle_count` is no sensor.
        lengths: cycles.

    Returns:
        [window, statistic] and the name of each statistic.

    >>> import torch
    >>> series = torch.tensor([[1.0], [2.0], [3.0]])
    >>> last = Windows(series, torch.tensor([0]), torch.tensor([2]), length=1)
    >>> window_statistics(last, ["sensor_2"], lengths=[2])[0].tolist()
    [[3.0, 2.5, 1.0, 0.5]]
    """
    series = windows.series.cpu().numpy().astype(np.float64)
    starts, ends = windows.starts.cpu().numpy(), windows.ends.cpu().numpy()
    sensors = [place for place, name in enumerate(features) if name != "cycle_count"]
    values = series[:, sensors]
    row = np.arange(len(values), dtype=np.float64)[:, None]
    sums, squares, moments = (_cumulative(x) for x in (values, values**2, row * values))
    columns, names = [series[ends]], [f"{name} last" for name in features]
    for length in lengths:
        first = np.maximum(ends + 1 - length, starts)
        n = (ends + 1 - first).astype(np.float64)[:, None]
        total, square, moment = (x[ends + 1] - x[first] for x in (sums, squares, moments))
        mean = total / n
        middle = (first + ends)[:, None] / 2
        slope = (moment - middle * total) / np.where(n > 1, n * (n**2 - 1) / 12, 1)
        # rounding may leave a small negative number where a sensor is constant
        spread = np.sqrt(np.maximum(square / n - mean**2, 0))
        columns += [mean, slope, spread]
        names += [
            f"{features[place]} {statistic} over {length}"
            for statistic in ("mean", "slope", "spread")
            for place in sensors
        ]
    return np.hstack(columns).astype(np.float32), names


def _cumulative(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[row + 1, column], sums of all rows before each."""
    return np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
