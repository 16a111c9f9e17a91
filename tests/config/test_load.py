import pytest

from cmapss_rul.config import shipped as module
from cmapss_rul.config.load import from_mapping, load
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


def test_a_shipped_name_is_taken(tmp_path, monkeypatch):
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
