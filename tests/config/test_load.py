import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.config import shipped as module
from cmapss_rul.config.load import apply_overrides, from_mapping, load
from cmapss_rul.system.errors import UsageError

from ._models import Fixed, GradNorm, Run


def test_a_file_becomes_a_validated_object(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 3\nbalancer: {name: gradnorm, alpha: 1e-3}\n")
    assert load(Run, path) == Run(seed=3, balancer=GradNorm(alpha=0.001))


def test_overrides_follow_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 3\nbalancer: {name: gradnorm, alpha: 2}\n")
    sets = ["seed=1e1", "balancer.name=fixed", "balancer.weights=[2, 1e-3]"]
    assert load(Run, str(path), sets) == Run(seed=10, balancer=Fixed(weights=(2, 0.001)))


def test_a_shipped_name_is_accepted(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "demo.yaml").write_text("seed: 5\n")
    monkeypatch.setattr(module, "_PACKAGE", tmp_path / "cmapss_rul")
    assert load(Run, "demo").seed == 5


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("sede: 3\n")
    with pytest.raises(UsageError) as caught:
        load(Run, path)
    assert str(caught.value) == f"{path}: sede: unknown key; did you mean seed?"
    with pytest.raises(UsageError) as caught:
        load(Run, path, ["seed=x"])
    assert str(caught.value) == (
        f"{path} with --set: seed: expected a whole number, found 'x'; "
        "sede: unknown key; did you mean seed?"
    )


def test_the_error_has_no_cause_to_print():
    with pytest.raises(UsageError) as caught:
        from_mapping(Run, {"seed": "x"})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_mapping_is_not_changed():
    mapping = {"balancer": {"name": "fixed", "weights": [1, 2]}}
    from_mapping(Run, mapping, ["balancer.name=gradnorm", "seed=2"])
    assert mapping == {"balancer": {"name": "fixed", "weights": [1, 2]}}


def test_where_opens_the_line():
    with pytest.raises(UsageError, match=r"^checkpoint a\.pt: seed: expected at least 0"):
        from_mapping(Run, {"seed": -1}, where="checkpoint a.pt")


def test_a_value_is_put_at_its_key():
    mapping = {"train": {"epochs": 3, "batch_size": 8}, "seed": 1}
    assert apply_overrides(mapping, ["train.epochs=5"]) == {
        "train": {"epochs": 5, "batch_size": 8},
        "seed": 1,
    }


def test_the_mapping_given_is_not_changed():
    mapping = {"balancer": {"name": "fixed", "weights": [1, 2]}}
    before = copy.deepcopy(mapping)
    apply_overrides(mapping, ["balancer.name=amnl", "balancer.floor=1", "new.key=2"])
    assert mapping == before


def test_missing_mappings_on_the_way_are_made():
    assert apply_overrides({}, ["a.b.c=1"]) == {"a": {"b": {"c": 1}}}
    assert apply_overrides({"a": None}, ["a.b=1"]) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("key=1", 1),
        ("key=1.5", 1.5),
        ("key=1e-3", "1e-3"),
        ("key=null", None),
        ("key=", None),
        ("key=true", True),
        ("key=[1, 2]", [1, 2]),
        ("key={a: 1}", {"a": 1}),
        ("key=a=b", "a=b"),
        ("key='1'", "1"),
        (" key = 1", 1),
        ("key=data/my folder", "data/my folder"),
    ],
)
def test_values_are_read_as_yaml(text, value):
    assert apply_overrides({}, [text]) == {"key": value}


def test_a_later_override_wins():
    assert apply_overrides({}, ["a=1", "a=2"]) == {"a": 2}


def test_another_name_drops_the_keys_of_the_previous_member():
    mapping = {"balancer": {"name": "fixed", "weights": [1, 2]}, "seed": 1}
    assert apply_overrides(mapping, ["balancer.name=gradnorm"]) == {
        "balancer": {"name": "gradnorm"},
        "seed": 1,
    }


def test_overrides_after_the_name_belong_to_the_new_member():
    mapping = {"balancer": {"name": "fixed", "weights": [1, 2]}}
    sets = ["balancer.weights=[3, 4]", "balancer.name=gradnorm", "balancer.alpha=1"]
    assert apply_overrides(mapping, sets) == {"balancer": {"name": "gradnorm", "alpha": 1}}


def test_the_same_name_keeps_the_keys():
    mapping = {"balancer": {"name": "fixed", "weights": [1, 2]}}
    assert apply_overrides(mapping, ["balancer.name=fixed"]) == mapping


def test_a_name_where_there_was_none_keeps_the_keys():
    assert apply_overrides({"balancer": {"weights": [1, 2]}}, ["balancer.name=fixed"]) == {
        "balancer": {"weights": [1, 2], "name": "fixed"}
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.epochs", "--set train.epochs: expected KEY=VALUE, such as --set train.epochs=1"),
        ("", "--set : expected KEY=VALUE"),
        ("=1", "--set =1: the key before '=' has an empty part"),
        ("a..b=1", "--set a..b=1: the key before '=' has an empty part"),
        ("a.=1", "--set a.=1: the key before '=' has an empty part"),
        ("seed.x=1", "--set seed.x: seed is a value, expected a mapping of keys"),
        ("train.list.x=1", "--set train.list.x: train.list is a value, expected a mapping of keys"),
        ("a=[1", "--set a, line 1: expected ',' or ']'"),
        ("a=&x 1", "--set a, line 1: anchors"),
        ("a={b: 1, b: 2}", "--set a, line 1: duplicate key 'b'"),
        ("a=!!python/name:os.system", "--set a, line 1: the tag"),
        ("a=" + "[" * 5000, "--set a, line 1: nested deeper"),
        ("a=b: c: d", "--set a, line 1: mapping values are not allowed here"),
        ("a=\x00", "--set a, line 1: control character"),
        ("\x1b[31m", "--set \\x1b[31m: expected KEY=VALUE"),
    ],
)
def test_a_bad_override_is_refused_in_one_line(text, message):
    with pytest.raises(UsageError) as caught:
        apply_overrides({"seed": 1, "train": {"list": [1]}}, [text])
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()


@given(st.text(), st.dictionaries(st.sampled_from("ab"), st.integers() | st.none()))
def test_any_text_is_applied_or_refused(text, mapping):
    try:
        assert isinstance(apply_overrides(mapping, [text]), dict)
        message = ""
    except UsageError as error:
        message = str(error)
    assert message.isprintable()
