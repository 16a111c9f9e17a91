from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from cmapss_rul.config.base import Config


class Left(Config):
    name: Literal["left"] = "left"
    size: int = 1


class Right(Config):
    name: Literal["right"] = "right"
    rate: float = 0.5


Side = Annotated[Left | Right, Field(discriminator="name")]


class Numbers(Config):
    whole: int = 1
    real: float = 1.0
    maybe: int | None = None
    several: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    option: Literal[10, 20] = 10
    word: str = "a"
    word_or_number: int | str = 1
    flag: bool = False
    flag_or_word: bool | Literal["auto"] = False
    side: Side = Right()
    needed_side: Side | None = None


def test_objects_are_frozen_and_unknown_keys_refused():
    config = Numbers()
    with pytest.raises(ValidationError, match="frozen"):
        config.whole = 2
    with pytest.raises(ValidationError, match="Extra inputs"):
        Numbers(hole=1)


@pytest.mark.parametrize(
    ("text", "number"), [("1e-3", 0.001), ("1E3", 1000.0), (".5", 0.5), ("-2e0", -2.0)]
)
def test_a_text_in_scientific_notation_is_a_real_number(text, number):
    assert Numbers(real=text).real == number
    assert Numbers(rates=[text, 1]).rates == (number, 1.0)


@pytest.mark.parametrize(
    ("text", "number"), [("1e3", 1000), ("2.5e1", 25), ("-1E+2", -100), (" 4e0 ", 4), ("10e-1", 1)]
)
def test_a_text_in_scientific_notation_is_a_whole_number_where_it_is_one(text, number):
    assert Numbers(whole=text).whole == number
    assert Numbers(maybe=text).maybe == number
    assert Numbers(several=[text, "7"]).several == (number, 7)


def test_a_literal_of_numbers_takes_scientific_notation():
    assert Numbers(option="2e1").option == 20
    with pytest.raises(ValidationError):
        Numbers(option="3e1")


@pytest.mark.parametrize("text", ["1e-3", "1.5e0", "e3", "1e", "1e3x", "1e99999", "", "0x10"])
def test_other_texts_are_no_whole_number(text):
    with pytest.raises(ValidationError, match="valid integer"):
        Numbers(whole=text)


def test_strings_stay_strings_where_strings_are_accepted():
    assert Numbers(word="1e3").word == "1e3"
    assert Numbers(word_or_number="1e3").word_or_number == "1e3"


def test_huge_exponents_cost_nothing_and_stay_exact():
    assert Numbers(whole="1e400").whole == 10**400
    with pytest.raises(ValidationError):
        Numbers(real="1e400")


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(
    "field", ["whole", "real", "maybe", "option", "word", "word_or_number", "several"]
)
def test_a_boolean_is_no_number_and_no_text(field, value):
    given_value = [value] if field == "several" else value
    with pytest.raises(ValidationError, match=str(value).lower()):
        Numbers(**{field: given_value})


def test_a_boolean_within_a_list_of_numbers_is_refused():
    with pytest.raises(ValidationError, match=r"rates\.1"):
        Numbers(rates=[1.0, True])


@pytest.mark.parametrize("value", [True, False])
def test_booleans_are_booleans_where_booleans_are_due(value):
    config = Numbers(flag=value, flag_or_word=value)
    assert config.flag is value
    assert config.flag_or_word is value


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "inf", "nan", "-Infinity"])
def test_infinities_and_nan_are_refused(value):
    with pytest.raises(ValidationError, match="finite"):
        Numbers(real=value)


def test_a_union_without_name_means_the_default_member():
    assert Numbers(side={"rate": 0.25}).side == Right(rate=0.25)
    assert Numbers(side={}).side == Right()
    with pytest.raises(ValidationError, match="discriminator"):
        Numbers(needed_side={"rate": 0.25})


def test_a_named_member_is_used():
    assert Numbers(side={"name": "left", "size": "1e1"}).side == Left(size=10)


@given(st.integers(-(10**18), 10**18))
def test_a_whole_number_is_itself_in_every_spelling(number):
    assert Numbers(whole=number).whole == number
    assert Numbers(whole=str(number)).whole == number
    assert Numbers(whole=f"{number}e0").whole == number
    assert Numbers(whole=f"{number}0e-1").whole == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_real_number_is_itself_as_a_text(number):
    assert Numbers(real=repr(number)).real == number
