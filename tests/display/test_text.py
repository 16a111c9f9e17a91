import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.display.text import by_nearness, finite, json_text, nearest


def test_the_nearest_option_comes_first():
    options = ["fixed", "amnl", "amnl_ema", "uncertainty", "gradnorm"]
    assert by_nearness("GradNrom", options)[0] == "gradnorm"
    assert by_nearness("amnl", options)[:2] == ["amnl", "amnl_ema"]
    assert sorted(by_nearness("?", options)) == sorted(options)


def test_the_option_that_was_meant():
    assert nearest("batchsize", ["epochs", "batch_size"]) == "batch_size"
    assert nearest("qqq", ["epochs", "batch_size"]) is None
    assert nearest("x", []) is None


def test_what_is_not_finite_is_none_at_any_depth():
    plain = {"a": (1, 0.5, float("-inf")), "b": [{"c": float("nan")}], "d": "nan", "e": True}
    assert finite(plain) == {"a": [1, 0.5, None], "b": [{"c": None}], "d": "nan", "e": True}


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_is_read_back_and_every_line_of_it_is_printable(value):
    text = json_text(value, indent=1)
    assert json.loads(text) == value
    assert all(line.isprintable() for line in text.split("\n"))


def test_json_refuses_what_is_not_finite():
    with pytest.raises(ValueError, match="JSON compliant"):
        json_text([float("nan")])
