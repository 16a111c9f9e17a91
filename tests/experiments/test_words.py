"""What the words of `rul compare` mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.experiments import words
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
    assert words.seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0", "--seeds 0: expected a number of seeds from 1 to 1,000, or seeds with a comma"),
        ("1001", "expected a number of seeds from 1 to 1,000"),
        ("", "expected a number of seeds"),
        (",", "expected a number of seeds"),
        ("-1", "'-1' is no seed; expected whole numbers from 0 on"),
        ("3,x", "--seeds 3,x: 'x' is no seed"),
        ("1.5", "'1.5' is no seed"),
        ("²", "'²' is no seed"),
        ("3,3", "--seeds: 3 is named twice; name it once"),
        ("9223372036854775808,", "is no seed"),
        ("\x1b[31m", r"'\x1b[31m' is no seed"),
    ],
)
def test_no_seeds(text, said):
    assert said in refused(words.seeds, text)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20, unique=True))
def test_a_list_with_a_comma_names_its_seeds(numbers):
    assert words.seeds(",".join(map(str, numbers)) + ",") == numbers


def test_names_are_split_at_commas():
    assert words.names("--config", "fd001.yaml,fd002") == ["fd001.yaml", "fd002"]
    assert words.names("--config", " a , b ,") == ["a", "b"]


def test_no_name_and_a_name_twice_are_refused():
    assert "--balancer: expected names with commas" in refused(words.names, "--balancer", " , ")
    assert refused(words.names, "--balancer", "a,b,a") == (
        "--balancer: a is named twice; name it once"
    )


def test_values_of_an_axis_are_yaml():
    assert words.axes(["a.b=1,2.5,x,null,true,[32, 64],'x, y'"]) == {
        "a.b": [1, 2.5, "x", None, True, [32, 64], "x, y"]
    }
    assert words.axes(["a=[1],[2]", "b=3"]) == {"a": [[1], [2]], "b": [3]}
    assert words.axes([]) == {}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["train.epochs"], "--grid train.epochs: expected KEY=VALUE,VALUE"),
        (["=1"], "--grid =1: expected KEY=VALUE,VALUE"),
        (["a..b=1"], "expected KEY=VALUE,VALUE"),
        (["a="], "--grid a: expected values with commas between them, found nothing"),
        (["a=1,1"], "--grid a: 1 is named twice"),
        (["a=1", "a=2"], "--grid a: was given twice; give all its values at once"),
        (["a=["], "--grid a, line 1"),
        (["a=1]]"], "--grid a, line 1"),
        (["seed=1,2"], "--grid seed: is not varied here; name the seeds with --seeds"),
        (["balancer.name=fixed"], "name the balancers with --balancer"),
        (["train.threads=1,2"], "every run of a grid has one thread"),
        (["data.dir=a,b"], "set it with --set data.dir=DIR"),
    ],
)
def test_no_axis(texts, said):
    assert said in refused(words.axes, texts)
