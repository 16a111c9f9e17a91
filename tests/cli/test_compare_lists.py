"""Parsing of lists, seeds and axes in the options of `rul compare`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.cli.compare import parse_axes, parse_names, parse_seeds
from cmapss_rul.system.errors import UsageError


def refused(call, *arguments) -> str:
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("5", [0, 1, 2, 3, 4]),
        ("1", [0]),
        ("3,7", [3, 7]),
        ("7,", [7]),
        ("0,", [0]),
        (" 2 , 1", [2, 1]),
    ],
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "0",
            "--seeds 0: expected a number of seeds from 1 to 1,000, or a list of seeds with a",
        ),
        ("1001", "expected a number of seeds from 1 to 1,000"),
        ("", "expected a number of seeds"),
        (",", "expected a number of seeds"),
        ("-1", "'-1' is not a seed; expected whole numbers from 0"),
        ("3,x", "--seeds 3,x: 'x' is not a seed"),
        ("1.5", "'1.5' is not a seed"),
        ("²", "'²' is not a seed"),
        ("3,3", "--seeds: 3 is listed twice; list it once"),
        ("9223372036854775808,", "is not a seed"),
        ("\x1b[31m", r"'\x1b[31m' is not a seed"),
    ],
)
def test_invalid_seeds(text, message):
    assert message in refused(parse_seeds, text)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20, unique=True))
def test_a_list_with_a_comma_names_its_seeds(numbers):
    assert parse_seeds(",".join(map(str, numbers)) + ",") == numbers


def test_names_are_split_at_commas():
    assert parse_names("--config", "fd001.yaml,fd002") == ["fd001.yaml", "fd002"]
    assert parse_names("--config", " a , b ,") == ["a", "b"]


def test_empty_and_duplicate_names_are_refused():
    assert "--balancer: expected comma-separated names" in refused(parse_names, "--balancer", " , ")
    assert refused(parse_names, "--balancer", "a,b,a") == (
        "--balancer: a is listed twice; list it once"
    )


def test_values_of_an_axis_are_yaml():
    assert parse_axes(["a.b=1,2.5,x,null,true,[32, 64],'x, y'"]) == {
        "a.b": [1, 2.5, "x", None, True, [32, 64], "x, y"]
    }
    assert parse_axes(["a=[1],[2]", "b=3"]) == {"a": [[1], [2]], "b": [3]}
    assert parse_axes([]) == {}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["train.epochs"], "--grid train.epochs: expected KEY=VALUE,VALUE"),
        (["=1"], "--grid =1: expected KEY=VALUE,VALUE"),
        (["a..b=1"], "expected KEY=VALUE,VALUE"),
        (["a="], "--grid a: expected comma-separated values, found nothing"),
        (["a=1,1"], "--grid a: 1 is listed twice"),
        (["a=1", "a=2"], "--grid a: is given twice; give all its values in one --grid"),
        (["a=["], "--grid a, line 1"),
        (["a=1]]"], "--grid a, line 1"),
        (["seed=1,2"], "--grid seed: cannot be varied here; set the seeds with --seeds"),
        (["balancer.name=fixed"], "set the balancers with --balancer"),
        (["train.threads=1,2"], "every run of a grid has one thread"),
        (["data.dir=a,b"], "set it with --set data.dir=DIR"),
    ],
)
def test_invalid_axes(texts, message):
    assert message in refused(parse_axes, texts)
