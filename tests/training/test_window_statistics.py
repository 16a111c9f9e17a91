"""Statistics over windows, by hand and compared with NumPy's for each window."""

import numpy as np
import torch

from cmapss_rul.data.windows import Windows
from cmapss_rul.training.gradient_boosting import window_statistics

NAMES = ("sensor_2", "cycle_count")


def windows_of(lengths, columns=2, seed=0):
    rows = sum(lengths)
    series = torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, columns))).float()
    starts = np.repeat(np.cumsum([0, *lengths[:-1]]), lengths)
    return Windows(series, torch.from_numpy(starts), torch.arange(rows), length=5)


def test_a_hand_worked_record():
    series = torch.tensor([[1.0, 0.1], [2.0, 0.2], [6.0, 0.3]])
    windows = Windows(series, torch.zeros(2).long(), torch.tensor([0, 2]), length=30)
    found, names = window_statistics(windows, NAMES, lengths=[2, 10])
    assert names == [
        "sensor_2 last", "cycle_count last",
        "sensor_2 mean over 2", "sensor_2 slope over 2", "sensor_2 spread over 2",
        "sensor_2 mean over 10", "sensor_2 slope over 10", "sensor_2 spread over 10",
    ]  # fmt: skip
    # one row: no slope, no spread; three rows 1, 2, 6: mean 3, slope (6 − 1)/2, variance 14/3
    np.testing.assert_allclose(found[0], [1, 0.1, 1, 0, 0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[1], [6, 0.3, 4, 4, 2, 3, 2.5, (14 / 3) ** 0.5], rtol=1e-6)


def test_statistics_equal_numpys_for_each_window():
    windows = windows_of([7, 1, 40, 3])
    found, names = window_statistics(windows, NAMES, lengths=[4, 15])
    series = windows.series.double().numpy()
    for row, (start, end) in enumerate(
        zip(windows.starts.tolist(), windows.ends.tolist(), strict=True)
    ):
        for length in (4, 15):
            values = series[max(start, end + 1 - length) : end + 1, 0]
            slope = np.polyfit(np.arange(len(values)), values, 1)[0] if len(values) > 1 else 0.0
            expected = {"mean": values.mean(), "slope": slope, "spread": values.std()}
            for statistic, value in expected.items():
                column = names.index(f"sensor_2 {statistic} over {length}")
                np.testing.assert_allclose(found[row, column], value, atol=2e-5)


def test_rows_of_other_engines_and_of_the_future_are_ignored():
    windows = windows_of([12, 12])
    row = 15  # of the second engine, in its fourth cycle
    changed = windows.series.clone()
    changed[:12] += 100
    changed[16:] -= 100
    other = Windows(changed, windows.starts, windows.ends, 5)
    before, after = (window_statistics(w, NAMES)[0][row] for w in (windows, other))
    np.testing.assert_allclose(after, before, atol=1e-4)
