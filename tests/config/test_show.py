from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.config.load import from_mapping, load
from cmapss_rul.config.show import to_yaml
from cmapss_rul.config.yaml import parse_yaml

from ._models import Data, Fixed, GradNorm, Plain, Run, Train


def back(config, *, comments=True):
    return from_mapping(type(config), parse_yaml(to_yaml(config, comments=comments), "shown"))


def test_the_yaml_of_a_small_configuration():
    config = Run(balancer=GradNorm(alpha=2), others=(Plain(), Fixed()), steps=())
    assert to_yaml(config) == "\n".join(
        [
            "# Seed.",
            "seed: 0",
            "",
            "# What is read.",
            "data:",
            "  subset: FD001",
            "  layers: 1",
            "  # " + ("Folder " * 13).strip(),
            "  # " + ("Folder " * 13).strip(),
            "  # " + ("Folder " * 13).strip(),
            "  # Folder",
            "  dir: data/raw",
            "  columns: [a, b]",
            "  smooth: false",
            "  code: a",
            "",
            "# How two losses become one.",
            "balancer:",
            "  # Equal gradient norms.",
            "  name: gradnorm",
            "  alpha: 2.0",
            "others: [{name: plain}, {name: fixed, weights: [1.0, 1.0]}]",
            "steps: []",
            "train:",
            "  # Epochs at most.",
            "  epochs: 1",
            "  batch_size: 256",
            "  rate: 1.0e-05",
            "  threads: null",
            "  stop: 1",
            "empty: {}",
            "",
        ]
    )


def test_without_comments_the_keys_stay():
    text = to_yaml(Run(), comments=False)
    assert "#" not in text
    assert "" not in text.split("\n")[:-1]
    assert parse_yaml(text, "x") == parse_yaml(to_yaml(Run()), "x")


def test_no_line_is_longer_than_100():
    config = Run(data=Data(columns=tuple(f"sensor_{i}" for i in range(60))))
    lines = to_yaml(config).splitlines()
    assert max(map(len, lines)) <= 100
    assert back(config) == config


@pytest.mark.parametrize(
    "text",
    ["1", "1e-3", "null", "true", "no", "010", "1:30", "2020-01-02", "a: b", "# x", "", " a ",
     "a\nb", "a\x85b", "\u2028", "\ttab",
     "it's", '"', "é", "\x00", "<<", "=", "-", "[a]", "*a", "&a", "!a", "%a", "@"],
)  # fmt: skip
def test_texts_that_look_like_something_else_come_back(text):
    config = Run(data=Data(dir=f"{text}" or "x", columns=(text, "b")))
    assert back(config) == config


@pytest.mark.parametrize("text", ["a\u202eb", "\u2028", "é\x85", "\u200f"])
def test_what_a_terminal_would_obey_is_escaped(text):
    """Found by fuzz_config, seed 603: a bidi mark stood there as it was."""
    config = Run(data=Data(dir=text, columns=(text, "b")))
    assert to_yaml(config).replace("\n", "").isprintable()
    assert back(config) == config


@pytest.mark.parametrize("number", [1e-5, 1e-3, 0.1 + 0.2, 5e-324, 1 - 2**-53])
def test_reals_come_back_exactly(number):
    config = Run(train=Train(rate=number))
    assert back(config).train.rate == number


def test_what_is_shown_is_loaded_from_a_file(tmp_path):
    config = Run(seed=3, balancer=GradNorm(), train=Train(stop="auto", threads=4))
    path = tmp_path / "shown.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    assert load(Run, path) == config


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
balancers: Any = st.one_of(
    st.builds(Plain),
    st.builds(Fixed, weights=st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2)),
    st.builds(GradNorm, alpha=st.floats(1e-300, 10)),
)
runs = st.builds(
    Run,
    seed=st.integers(8, 10**30),
    data=st.builds(Data, dir=texts, columns=st.lists(texts, unique=True, max_size=30).map(tuple)),
    balancer=balancers,
    others=st.lists(balancers, max_size=3).map(tuple),
    train=st.builds(
        Train,
        threads=st.none() | st.just(8),
        stop=st.integers() | st.just("auto") | st.lists(st.integers()).map(tuple),
    ),
)


@given(runs, st.booleans())
def test_every_configuration_comes_back(config, comments):
    assert back(config, comments=comments) == config
