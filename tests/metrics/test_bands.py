"""Bands of true RUL: every RUL lies in exactly one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.metrics.bands import band_name, in_band, rul_bands


@given(st.integers(1, 500), st.integers(0, 1000))
def test_every_rul_lies_in_one_band(cap, rul):
    inside = [band for band in rul_bands(cap) if in_band(np.array([rul]), *band).all()]
    assert len(inside) == 1
    assert (inside[0][1] is None) is (rul >= cap)


@pytest.mark.parametrize("cap", [1, 3, 125])
def test_names_say_the_first_and_the_last_rul(cap):
    for low, below in rul_bands(cap):
        name = band_name(low, below)
        assert name == (f"{cap} or more" if below is None else f"{low}–{below - 1}")
