"""The rules of the `data` part that no single key can say."""

import pytest
from pydantic import ValidationError

from cmapss_rul.data.config import DataConfig


@pytest.mark.parametrize("auxiliary", [("FD001",), ("FD002", "FD002"), ("FD003", "FD001")])
def test_auxiliary_subsets_are_other_ones_each_once(auxiliary):
    with pytest.raises(ValidationError) as caught:
        DataConfig(subset="FD001", auxiliary=auxiliary)
    expected = f"found [{', '.join(auxiliary)}] beside subset FD001"
    assert f"auxiliary should name each other subset once, {expected}" in str(caught.value)
    assert DataConfig(subset="FD004", auxiliary=("FD001",)).auxiliary == ("FD001",)


def test_columns_are_named_once():
    with pytest.raises(ValidationError, match="columns should name each column once"):
        DataConfig(columns=("sensor_2", "sensor_2"))
