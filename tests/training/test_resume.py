"""The rules of going on, on contents made by hand."""

from pathlib import Path

import pytest

from cmapss_rul.data.verification import Provenance
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.resume import check_same_run, flat, host_warnings

LAST = Path("runs/a-s0/last.pt")
FILE = Provenance("train_FD001.txt", "a" * 64, "c" * 64, official=True, simulated=False)


def content(config, epoch=1):
    return {
        "config": config.without_host_facts(),
        "data": {"sha256": "b" * 64, "canonical_sha256": "c" * 64, "auxiliary": []},
        "loop": {"epoch": epoch, "stale": 0, "batch": 0},
        "versions": {"torch": "2.13.0"},
        "host": {"device": "cpu", "threads": 2, "ranks": 1},
    }


def changed(config=None, sources=(FILE,), then=None):
    with pytest.raises(UsageError) as caught:
        check_same_run(config or RunConfig(), sources, then or content(RunConfig()), LAST)
    return str(caught.value)


def test_the_same_run_goes_on_whatever_the_line_endings_and_paths():
    check_same_run(RunConfig(), [FILE], content(RunConfig()), LAST)
    here = RunConfig.model_validate({"data": {"dir": "/elsewhere"}})
    check_same_run(here, [FILE], content(RunConfig()), LAST)
    check_same_run(here, [], content(RunConfig()), LAST)


def test_a_key_that_came_after_the_checkpoint_stands_at_its_default():
    then = content(RunConfig())
    del then["config"]["model"]["cnn"]["pool"], then["config"]["data"]["auxiliary"]
    check_same_run(RunConfig(), [FILE], then, LAST)
    pooled = RunConfig.model_validate({"model": {"cnn": {"pool": 3}}})
    assert "model.cnn.pool was 1 and is 3" in changed(pooled, then=then)


def test_threads_may_change():
    config = RunConfig.model_validate({"train": {"threads": 7}})
    check_same_run(config, [FILE], content(RunConfig()), LAST)


def test_all_changed_keys_are_named_with_both_values_and_a_way_out():
    config = RunConfig.model_validate(
        {"train": {"batch_size": 5, "clip": None}, "balancer": {"name": "gradnorm"}}
    )
    text = changed(config)
    assert text.startswith("runs/a-s0/last.pt belongs to another run: ")
    for part in (
        "train.batch_size was 256 and is 5",
        "train.clip was 1.0 and is None",
        "balancer.name was fixed and is gradnorm",
        "balancer.alpha was absent and is 1.5",
        "start a new run without --resume",
    ):
        assert part in text
    assert "\n" not in text


def test_more_epochs_are_free_for_a_finished_run_only():
    more = RunConfig.model_validate({"train": {"epochs": 20}})
    check_same_run(more, [FILE], content(RunConfig(), epoch=12), LAST)
    assert "train.epochs was 12 and is 20" in changed(more)
    fewer = RunConfig.model_validate({"train": {"epochs": 5}})
    assert "train.epochs" in changed(fewer, then=content(RunConfig(), epoch=12))


def test_other_data_are_named_by_their_digests():
    other = Provenance("train_FD001.txt", "d" * 64, "e" * 64, official=False, simulated=False)
    assert "data: train_FD001.txt had SHA-256 bbbbbbbbbbbb… and has dddddddddddd…" in changed(
        sources=[other]
    )


def test_flat_by_hand():
    assert flat({"a": {"b": {"c": 1}, "d": None}, "e": [1]}) == {"a.b.c": 1, "a.d": None, "e": [1]}


def test_host_facts_that_differ_are_warnings():
    then = content(RunConfig())
    assert list(host_warnings(then, then)) == []
    now = {"versions": {"torch": "2.14.0"}, "host": {"device": "cuda", "threads": 4, "ranks": 1}}
    said = list(host_warnings(then, now))
    assert len(said) == 3
    assert "torch was 2.13.0 and is 2.14.0" in said[0]
    assert "device was cpu and is cuda" in said[1]
    assert "number of threads was 2 and is 4" in said[2]


def test_another_number_of_ranks_is_a_warning_and_older_checkpoints_had_one():
    then = content(RunConfig())
    now = {**then, "host": {**then["host"], "ranks": 2}}
    (said,) = host_warnings(then, now)
    assert said.startswith("warning: the number of ranks was 1 and is 2: the run goes on, but ")
    del then["host"]["ranks"]
    assert list(host_warnings(then, now)) == [said]
