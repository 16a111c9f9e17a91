import datetime
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from cmapss_rul.config.load import from_mapping, load
from cmapss_rul.config.yaml import MAX_BYTES, MAX_DEPTH, parse_yaml, read_yaml, to_yaml
from cmapss_rul.system.errors import UsageError

from ._models import Data, Fixed, GradNorm, Plain, Run, Train


def written(folder, content):
    path = folder / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(folder, content):
    path = written(folder, content)
    with pytest.raises(UsageError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 500
    return message.removeprefix(str(path))


def test_keys_and_values_are_read(tmp_path):
    content = "seed: 3  # a comment\ndata:\n  subset: FD002\n  columns: [a, b]\nlast: null\n"
    expected = {"seed": 3, "data": {"subset": "FD002", "columns": ["a", "b"]}, "last": None}
    assert read_yaml(written(tmp_path, content)) == expected


def test_a_byte_order_mark_and_other_line_endings_are_accepted(tmp_path):
    assert read_yaml(written(tmp_path, b"\xef\xbb\xbfseed: 1\r\nx: \xc3\xa9\r\n")) == {
        "seed": 1,
        "x": "é",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", "1e-3"),  # a text for YAML 1.1; the frozen base makes a number of it
        ("1.0e-3", 0.001),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("1_000", 1000),
        ("-7", -7),
        ("0", 0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("2020-01-02", datetime.date(2020, 1, 2)),
        ("{a: [1, {b: 2}]}", {"a": [1, {"b": 2}]}),
    ],
)
def test_values_are_read_as_intended(text, value):
    found = parse_yaml(text, "here")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("- a\n- b\n", "a list"),
        ("", "nothing"),
        ("# only a comment\n", "nothing"),
        ("fd001", "a string"),
        ("3", "a single value"),
    ],
)
def test_the_top_must_be_a_mapping(tmp_path, content, found):
    assert refusal(tmp_path, content) == (
        f": expected keys with values, such as 'seed: 0', found {found}"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: \xff\n", ", line 2: not UTF-8; save the file as UTF-8"),
        ("a: 1\nb: 2\na: 3\n", ", line 3: duplicate key 'a', first given in line 1"),
        ("x:\n  a: 1\n  'a': 1\n", ", line 3: duplicate key 'a', first given in line 2"),
        ("a: &x 1\nb: *x\n", ", line 1: anchors and aliases are not supported (found 'x')"),
        ("a: *x\n", ", line 1: anchors and aliases are not supported (found 'x')"),
        ("a:\n  <<: {b: 1}\n", ", line 2: merge keys (<<) are not supported"),
        (
            "a: 1\n---\nb: 2\n",
            ", line 2: expected a single document in the stream, but found another",
        ),
        ("a: 1\nb:\n\tc: 3", ", line 3: a tab where a value should begin; indent with spaces"),
        ("a: 1\nb:\t2\n", ", line 2: a tab where a value should begin; indent with spaces"),
        ("a: b: c\n", ", line 1: mapping values are not allowed here"),
        ("a: 1\nb: \x00\n", ", line 2: control character '\\x00' is not allowed"),
        ("a: 1\n1: 2\n", ", line 2: found '1' as a key, expected a string; quote it"),
        ("a: 1\ntrue: 2\n", ", line 2: found 'true' as a key, expected a string; quote it"),
        ("? [a, b]\n: 2\n", ", line 1: found a list as a key, expected a string; quote it"),
        ("? {a: b}\n: 2\n", ", line 1: found a mapping as a key, expected a string; quote it"),
        ("a: [1, 2\nb: 3\n", ", line 2: expected ',' or ']', but got ':'"),
        ("a: [1\n", ", line 2: expected ',' or ']', but got the end"),
        ("a: 'open\n", ", line 2: found unexpected end"),
        ("a: 2020-13-45\n", ", line 1: '2020-13-45' cannot be read as timestamp"),
        ("a: !!int x\n", ", line 1: 'x' cannot be read as int"),
        ("a: !!bool x\n", ", line 1: 'x' cannot be read as bool"),
        ("a: !!int ''\n", ", line 1: '' cannot be read as int"),
        ("a: !!map x\n", ", line 1: 'x' cannot be read as map"),
    ],
)
def test_a_bad_file_is_refused_by_line(tmp_path, content, message):
    assert refusal(tmp_path, content).startswith(message)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch {}']",
        "!!python/object/new:os.system ['touch {}']",
        "!!python/name:os.system",
        "!own 1",
        "! 1",
        "!!set [a, b]",
        "!!binary aGk=",
        "!!timestamp x",
    ],
)
def test_tags_run_no_code(tmp_path, tag):
    trace = tmp_path / "trace"
    message = refusal(tmp_path, f"a: {tag.format(trace)}\n")
    assert "line 1" in message
    assert "is not supported, expected a plain value" in message
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        "a: " + "[" * 5000 + "]" * 5000,
        "a: " + "{b: " * 5000 + "1" + "}" * 5000,
        "\n".join(" " * level + "a:" for level in range(300)),
        "a: " + "- " * 5000 + "1",
    ],
)
def test_deep_nesting_is_refused(tmp_path, content):
    assert "line " in refusal(tmp_path, content)


def test_the_depth_limit_is_exact():
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_yaml(deepest, "here")
    with pytest.raises(UsageError, match="here, line 1: nested deeper than 20 levels"):
        parse_yaml(f"[{deepest}]", "here")


def test_depth_is_counted_by_level_not_by_value():
    assert parse_yaml("[" + "[], " * 100 + "]", "here") == [[]] * 100


def test_a_bomb_of_aliases_is_refused(tmp_path):
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    assert "line 1: anchors" in refusal(tmp_path, "\n".join(lines))


def test_a_number_of_thousands_of_digits_is_refused(tmp_path):
    assert "cannot be read as int" in refusal(tmp_path, "a: 1\nb: " + "9" * 5000)


def test_a_large_file_is_refused(tmp_path):
    assert "larger than 65,536 bytes" in refusal(tmp_path, b"# " + b"x" * MAX_BYTES)


def test_a_folder_and_an_absent_file_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent.yaml"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_yaml(path)


def test_control_characters_in_names_are_escaped(tmp_path):
    path = tmp_path / "a\x1b[31m.yaml"
    path.write_text("[]")
    with pytest.raises(UsageError) as caught:
        read_yaml(path)
    assert "a\\x1b[31m.yaml" in str(caught.value)
    with pytest.raises(UsageError) as caught:
        parse_yaml('"\\e[31m": 1\n"\\e[31m": 1', "here")
    assert "\x1b" not in str(caught.value)


class NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, _):
        return True


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner),
    max_leaves=8,
)


@given(values)
def test_yaml_output_is_read_back(value):
    assert parse_yaml(yaml.dump(value, Dumper=NoAliases), "x") == value


@given(st.text())
@example("? ")
@example("!!int")
@example("{? [a] : b}")
@example("- &a")
@example("%YAML 1.1\n---\na: 1")
@example("a: |\n  x\n ")
def test_any_text_is_read_or_refused_in_one_line(text):
    try:
        parse_yaml(text, "here")
        message = "here, line "
    except UsageError as error:
        message = str(error)
    assert message.startswith("here, line ")
    assert message.isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path_factory, content):
    path = written(tmp_path_factory.getbasetemp(), content)
    try:
        assert isinstance(read_yaml(path), dict)
        message = ""
    except UsageError as error:
        message = str(error)
    assert message.isprintable()


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
def test_control_characters_are_escaped(text):
    """Found by fuzz_config, seed 603: a bidi mark was not escaped."""
    config = Run(data=Data(dir=text, columns=(text, "b")))
    assert to_yaml(config).replace("\n", "").isprintable()
    assert back(config) == config


@pytest.mark.parametrize("number", [1e-5, 1e-3, 0.1 + 0.2, 5e-324, 1 - 2**-53])
def test_reals_come_back_exactly(number):
    config = Run(train=Train(rate=number))
    assert back(config).train.rate == number


def test_the_shown_configuration_can_be_loaded(tmp_path):
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
