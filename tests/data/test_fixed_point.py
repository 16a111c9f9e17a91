import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.fixed_point import fixed_point


def test_hand_worked():
    values = np.array([[1, -0.0007, 100.0], [12, 0.00004, 84.93], [305, 0.25, 0.5]])
    text = fixed_point(values, [0, 4, 1], b" \n")
    assert text == b"1 -0.0007 100.0  \n12 0.0000 84.9  \n305 0.2500 0.5  \n"


def test_no_rows():
    assert fixed_point(np.empty((0, 3)), [0, 1, 2]) == b""


@pytest.mark.parametrize("decimals", [0, 1, 2, 4])
@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20))
def test_every_number_reads_back(decimals, integers):
    values = np.array(integers)[:, None] / 10**decimals
    lines = fixed_point(values, [decimals]).decode().splitlines()
    expected = [f"{value:.{decimals}f} " for value in values[:, 0]]
    assert lines == [line.replace("-0 ", "0 ") if line == "-0 " else line for line in expected]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_rounds_to_the_nearest(numbers):
    values = np.array(numbers)[:, None]
    found = [float(line) for line in fixed_point(values, [2]).split()]
    assert np.abs(np.array(found) - values[:, 0]).max() <= 0.005 + 1e-9
