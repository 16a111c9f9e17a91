"""Digests, differences between two grids, and the index of evaluated runs."""

import hashlib

import pytest

from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.experiments.identity import (
    EvaluationIndex,
    as_text,
    comparable,
    config_digest,
    differences,
)
from cmapss_rul.training.config import load_config


def identity(**options):
    return make_grid(["fd001"], balancers=["fixed"], **options).identity()


def test_the_digest_ignores_seed_threads_and_paths():
    config = load_config("fd001")
    same = load_config("fd001", ["seed=5", "train.threads=3", "data.dir=elsewhere"])
    assert config_digest(config) == config_digest(same)
    assert len(config_digest(config)) == 64


def test_the_digest_depends_on_everything_else():
    digests = {
        config_digest(load_config("fd001", [text]))
        for text in (
            "train.epochs=1", "split.seed=1", "data.cap=126", "balancer.name=fixed",
            "loss.rul.name=huber", "model.bilstm.hidden=3", "data.subset=FD003",
        )
    }  # fmt: skip
    assert len(digests | {config_digest(load_config("fd001"))}) == 8


def test_comparable_changes_nothing():
    config = load_config("fd001")
    assert "seed" not in comparable(config)
    assert "threads" not in comparable(config)["train"]
    assert config == load_config("fd001")


def test_equal_grids_have_no_difference():
    assert differences(identity(), identity()) == []


def test_every_difference_is_named():
    assert differences(identity(seeds=[0, 1]), identity(seeds=[0], oracle=True)) == [
        "seeds was [0, 1] and is [0]",
        "oracle was False and is True",
    ]
    assert differences(identity(), identity(sets=["train.epochs=3"])) == [
        f"fd001 fixed: train.epochs was {load_config('fd001').train.epochs} and is 3"
    ]
    assert differences(identity(), identity(axes={"train.epochs": [3]})) == [
        "it also has the cell 'fd001 fixed'",
        "it lacks the cell 'fd001 fixed train.epochs=3'",
    ]
    changed = differences(identity(), identity(sets=["loss.rul.name=huber"]))
    assert any("loss.rul.delta was absent and is" in text for text in changed)


def test_a_newer_key_at_its_default_is_no_difference():
    older = identity()
    del older["cells"]["fd001 fixed"]["model"]["cnn"]["pool"]
    now = identity(sets=["model.cnn.pool=1"])
    assert differences(older, now) == []
    assert differences(older, identity(sets=["model.cnn.pool=2"])) == [
        "fd001 fixed: model.cnn.pool was 1 and is 2"
    ]


def test_values_as_they_would_be_typed():
    values = ["a", 1, 0.5, None, True, [1, 2], {"name": "x"}]
    texts = ["a", "1", "0.5", "null", "true", "[1, 2]", '{"name": "x"}']
    assert [as_text(value) for value in values] == texts


# ---- evaluated runs ------------------------------------------------------------------------

FILES = ("best.pt", "evaluation.json", "predictions.csv")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    for name in FILES:
        (tmp_path / "run" / name).write_text(name)
    return tmp_path / "run"


def best_of(folder):
    path = folder / "best.pt"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def test_an_added_run_is_in_the_index(tmp_path, folder):
    index = EvaluationIndex(tmp_path)
    assert not index.has("run", folder, best_of(folder))
    index.add({"run": (folder, best_of(folder))})
    assert EvaluationIndex(tmp_path).has("run", folder, best_of(folder))
    assert not EvaluationIndex(tmp_path).has("other", folder, best_of(folder))


def test_adding_a_run_keeps_the_others(tmp_path, folder):
    index = EvaluationIndex(tmp_path)
    index.add({"one": (folder, best_of(folder))})
    index.add({"two": (folder, best_of(folder))})
    assert EvaluationIndex(tmp_path).has("one", folder, best_of(folder))
    assert EvaluationIndex(tmp_path).has("two", folder, best_of(folder))


@pytest.mark.parametrize("name", FILES)
def test_a_run_with_a_changed_file_is_not_in_the_index(tmp_path, folder, name):
    index = EvaluationIndex(tmp_path)
    index.add({"run": (folder, best_of(folder))})
    (folder / name).write_text("changed")
    assert not index.has("run", folder, best_of(folder))
    (folder / name).unlink()
    assert not index.has("run", folder, best_of(folder))


@pytest.mark.parametrize("content", ["", "[]", '{"run": 3}', "[" * 100_000])
def test_a_damaged_index_counts_as_empty(tmp_path, folder, content):
    (tmp_path / "evaluation-index.json").write_text(content)
    assert not EvaluationIndex(tmp_path).has("run", folder, best_of(folder))


def test_an_index_of_an_older_version_is_read(tmp_path, folder):
    EvaluationIndex(tmp_path).add({"run": (folder, best_of(folder))})
    (tmp_path / "evaluation-index.json").rename(tmp_path / "looked.json")
    index = EvaluationIndex(tmp_path)
    assert index.has("run", folder, best_of(folder))
    index.add({"other": (folder, best_of(folder))})
    assert EvaluationIndex(tmp_path).has("run", folder, best_of(folder))
    assert EvaluationIndex(tmp_path).has("other", folder, best_of(folder))
