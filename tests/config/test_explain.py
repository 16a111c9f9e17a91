import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cmapss_rul.config.explain import explain, format_value
from cmapss_rul.config.schema import dotted_keys

from ._models import Needy, Run


def explained(values, model=Run):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    line = explain(caught.value, model)
    assert line.isprintable()
    return line


@pytest.mark.parametrize(
    ("values", "line"),
    [
        # wrong types
        ({"seed": "x"}, "seed: expected a whole number, found 'x'"),
        ({"seed": 1.5}, "seed: expected a whole number, found 1.5"),
        ({"seed": None}, "seed: expected a whole number, found null"),
        ({"seed": True}, "seed: expected a whole number, found true"),
        ({"seed": {}}, "seed: expected a whole number, found a mapping"),
        (
            {"seed": "9" * 5000},
            f"seed: expected a whole number of fewer digits, found '{'9' * 59}…'",
        ),
        ({"seed": datetime.date(2020, 1, 2)}, "seed: expected a whole number, found 2020-01-02"),
        ({"train": {"rate": "fast"}}, "train.rate: expected a number, found 'fast'"),
        ({"train": {"rate": [1]}}, "train.rate: expected a number, found [1]"),
        ({"train": {"rate": False}}, "train.rate: expected a number, found false"),
        ({"train": {"rate": float("nan")}}, "train.rate: expected a finite number, found nan"),
        ({"train": {"rate": "1e400"}}, "train.rate: expected a finite number, found '1e400'"),
        ({"data": {"smooth": "maybe"}}, "data.smooth: expected true or false, found 'maybe'"),
        ({"data": {"smooth": []}}, "data.smooth: expected true or false, found []"),
        (
            {"data": {"dir": 3}},
            "data.dir: expected a string (quote it if it is meant as one), found 3",
        ),
        ({"data": {"columns": "a"}}, "data.columns: expected a list, found 'a'"),
        (
            {"data": {"columns": ["a", 1]}},
            "data.columns[1]: expected a string (quote it if it is meant as one), found 1",
        ),
        # wrong values
        ({"seed": -1}, "seed: expected at least 0, found -1"),
        ({"train": {"epochs": 1000}}, "train.epochs: expected less than 1000, found 1000"),
        ({"train": {"rate": 0}}, "train.rate: expected more than 0, found 0"),
        (
            {"balancer": {"name": "gradnorm", "alpha": 10.5}},
            "balancer.alpha: expected at most 10, found 10.5",
        ),
        (
            {"train": {"threads": "all"}},
            "train.threads: expected a whole number or null, found 'all'",
        ),
        (
            {"train": {"threads": False}},
            "train.threads: expected a whole number or null, found false",
        ),
        ({"train": {"threads": 3}}, "train.threads: expected a multiple of 2, found 3"),
        ({"data": {"dir": ""}}, "data.dir: expected a string of at least 1 characters, found ''"),
        (
            {"data": {"dir": "x" * 501}},
            f"data.dir: expected a string of at most 500 characters, found '{'x' * 59}…'",
        ),
        ({"data": {"code": "1"}}, "data.code: expected a string that matches ^[a-z], found '1'"),
        ({"data": {"layers": 3}}, "data.layers: expected one of 1, 2, found 3"),
        ({"balancer": {"weights": [1]}}, "balancer.weights: expected at least 2 values, found 1"),
        (
            {"balancer": {"weights": [1, 2, 3]}},
            "balancer.weights: expected at most 2 values, found 3",
        ),
        (
            {"data": {"subset": "FD03"}},
            "data.subset: expected one of FD003, FD001, FD002, found 'FD03'",
        ),
        # unknown keys
        ({"data": {"cloumns": []}}, "data.cloumns: unknown key; did you mean data.columns?"),
        ({"sede": 1}, "sede: unknown key; did you mean seed?"),
        (
            {"zzz": 1},
            "zzz: unknown key; keys: seed, data, balancer, others, steps, train, empty",
        ),
        (
            {"epochs": 1},
            "epochs: unknown key; did you mean train.epochs? "
            "keys: seed, data, balancer, others, steps, train, empty",
        ),
        (
            {"train": {"zzz": 1}},
            "train.zzz: unknown key; keys of train: epochs, batch_size, rate, threads, stop",
        ),
        ({"empty": {"zzz": 1}}, "empty.zzz: unknown key; keys of empty: none"),
        ({"steps": [{"epoch": 1}]}, "steps[0].epoch: unknown key; did you mean steps[0].epochs?"),
        # unions
        (
            {"balancer": {"name": "gradnrom"}},
            "balancer.name: expected one of gradnorm, fixed, plain, found 'gradnrom'",
        ),
        (
            {"balancer": {"name": None}},
            "balancer.name: expected one of fixed, gradnorm, plain, found null",
        ),
        (
            {"balancer": "gradnorm"},
            "balancer: expected a mapping with balancer.name, "
            "one of gradnorm, fixed, plain, found 'gradnorm'",
        ),
        (
            {"balancer": {"alpha": 1}},
            "balancer.alpha: unknown key; it belongs to balancer.name=gradnorm; keys here: weights",
        ),
        (
            {"balancer": {"name": "plain", "weights": 1}},
            "balancer.weights: unknown key; it belongs to balancer.name=fixed; keys here: none",
        ),
        (
            {"balancer": {"weigths": [1, 1]}},
            "balancer.weigths: unknown key; did you mean balancer.weights?",
        ),
        (
            {"others": [{"name": "fixed", "weights": [1, "b"]}]},
            "others[0].weights[1]: expected a number, found 'b'",
        ),
        ({"others": [{}]}, "others[0].name: is missing; expected one of fixed, gradnorm, plain"),
        (
            {"train": {"stop": "never"}},
            "train.stop: expected a whole number or a list or auto, found 'never'",
        ),
        ({"train": {"stop": [1, "x"]}}, "train.stop[1]: expected a whole number, found 'x'"),
        # whole parts
        (
            {"train": [1, 2]},
            "train: expected a mapping with keys such as train.epochs, found [1, 2]",
        ),
        ({"train": None}, "train: expected a mapping with keys such as train.epochs, found null"),
        # a part's and the whole's own checks
        ({"data": {"columns": ["a", "a"]}}, "data: columns should name each column once"),
        ({"seed": 7}, "seed 7 brings bad luck with this folder"),
    ],
)
def test_each_error_is_reported_by_key(values, line):
    assert explained(values) == line


def test_all_errors_are_reported_at_once():
    values = {
        "seed": -1,
        "data": {"subset": "x", "cap": 3},
        "balancer": {"name": "gradnorm", "alpha": -1, "weights": 2},
        "train": {"epochs": "many"},
    }
    line = explained(values)
    assert line.startswith("seed: expected at least 0, found -1; data.subset: expected one of")
    for key in ("data.cap", "balancer.alpha", "balancer.weights", "train.epochs"):
        assert line.count(f"; {key}: ") == 1


def test_a_flood_of_errors_is_cut():
    line = explained({f"key{i}x": 1 for i in range(70)})
    assert line.count("unknown key") == 50
    assert line.endswith("; and 20 more")


def test_a_missing_key_is_reported():
    assert explained({}, Needy) == "path: is missing; balancer: is missing"
    assert explained({"path": "a", "balancer": {}}, Needy) == (
        "balancer.name: is missing; expected one of fixed, gradnorm, plain"
    )


def test_a_frozen_object_cannot_be_changed():
    with pytest.raises(ValidationError) as caught:
        Run().seed = 3
    assert explain(caught.value, Run) == (
        "seed: cannot be changed: configurations are immutable; load another one"
    )


def test_the_top_itself_can_be_wrong():
    assert explained([1]) == "expected a mapping with keys such as seed, found [1]"


def test_control_characters_in_values_are_escaped():
    line = explained({"\x1b[31m": 1, "seed": "\x1b[0m", "balancer": {"name": "\x07"}})
    assert "\\x1b[31m: unknown key" in line
    assert "found '\\x1b[0m'" in line
    assert "found '\\x07'" in line


def test_numbers_too_long_to_write_are_named():
    assert format_value(10**5000) == "a number of thousands of digits"
    assert explained({"seed": -(10**5000)}) == (
        "seed: expected at least 0, found a number of thousands of digits"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (0.001, "0.001"),
        ("a", "'a'"),
        ({"a": 1}, "a mapping"),
        ([1, "b", None, True, 5], "[1, 'b', null, true, …]"),
        ((), "[]"),
        (10**70, "1" + "0" * 58 + "…"),
    ],
)
def test_found_values_look_like_their_yaml(value, shown):
    assert format_value(value) == shown


def test_keys_are_listed_by_level():
    keys = dotted_keys(Run)
    assert keys[:3] == ["seed", "data", "balancer"]
    assert keys.index("train.epochs") > keys.index("empty")
    assert keys.count("balancer.name") == 1


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(dotted_keys(Run)[-12:]) | st.sampled_from(["name"]), inner
        )
    ),
    max_leaves=6,
)
keys = st.sampled_from(["seed", "data", "balancer", "others", "steps", "train", "empty", "x"])
deeper = st.dictionaries(
    st.sampled_from(["name", "weights", "alpha", "epochs", "stop", "columns", "subset"]), plain
)


@given(st.dictionaries(keys, plain | deeper | st.lists(deeper, max_size=2)))
def test_any_mapping_is_valid_or_explained(values):
    try:
        Run.model_validate(values)
    except ValidationError as error:
        line = explain(error, Run)
        assert line
        assert line.isprintable()
        assert "Input should" not in line
