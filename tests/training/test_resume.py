"""Conditions for resuming a run, on synthetic checkpoint contents."""

from pathlib import Path

import pytest

from cmapss_rul.data.verification import Provenance
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.checkpoint import Checkpoint
from cmapss_rul.training.config import RunConfig, flatten
from cmapss_rul.training.resume import check_same_run, host_warnings
from tests.training.inputs import checkpoint_content

LAST = Path("runs/a-s0/last.pt")
FILE = Provenance("train_FD001.txt", "a" * 64, "c" * 64, official=True, simulated=False)


def content(config, epoch=1):
    return checkpoint_content(config=config.without_paths(), epoch=epoch)


def opened(content):
    return Checkpoint.from_content(content, LAST)


def changed(config=None, sources=(FILE,), then=None):
    with pytest.raises(UsageError) as caught:
        check_same_run(config or RunConfig(), sources, opened(then or content(RunConfig())))
    return str(caught.value)


def test_line_endings_and_paths_do_not_prevent_resuming():
    check_same_run(RunConfig(), [FILE], opened(content(RunConfig())))
    here = RunConfig.model_validate({"data": {"dir": "/elsewhere"}})
    check_same_run(here, [FILE], opened(content(RunConfig())))
    check_same_run(here, [], opened(content(RunConfig())))


def test_a_key_newer_than_the_checkpoint_has_its_default():
    then = content(RunConfig())
    del then["config"]["model"]["cnn"]["pool"], then["config"]["data"]["auxiliary"]
    check_same_run(RunConfig(), [FILE], opened(then))
    pooled = RunConfig.model_validate({"model": {"cnn": {"pool": 3}}})
    assert "model.cnn.pool was 1 and is 3" in changed(pooled, then=then)


def test_threads_may_change():
    config = RunConfig.model_validate({"train": {"threads": 7}})
    check_same_run(config, [FILE], opened(content(RunConfig())))


def test_all_changed_keys_are_named_with_both_values_and_a_remedy():
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


def test_more_epochs_are_allowed_for_a_finished_run_only():
    more = RunConfig.model_validate({"train": {"epochs": 20}})
    check_same_run(more, [FILE], opened(content(RunConfig(), epoch=12)))
    assert "train.epochs was 12 and is 20" in changed(more)
    fewer = RunConfig.model_validate({"train": {"epochs": 5}})
    assert "train.epochs" in changed(fewer, then=content(RunConfig(), epoch=12))


def test_other_data_are_reported_by_their_digests():
    other = Provenance("train_FD001.txt", "d" * 64, "e" * 64, official=False, simulated=False)
    assert "data: train_FD001.txt had SHA-256 bbbbbbbbbbbb… and has dddddddddddd…" in changed(
        sources=[other]
    )


def test_flatten_by_hand():
    nested = {"a": {"b": {"c": 1}, "d": None}, "e": [1]}
    assert flatten(nested) == {
        "a.b.c": 1,
        "a.d": None,
        "e": [1],
    }


def test_different_host_facts_are_warnings():
    then = opened(content(RunConfig()))
    assert list(host_warnings(then, then)) == []
    now = checkpoint_content(host={"device": "cuda", "threads": 4})
    now["versions"]["torch"] = "2.14.0"
    found = list(host_warnings(then, opened(now)))
    assert len(found) == 3
    assert "torch was 2.13.0 and is 2.14.0" in found[0]
    assert "device was cpu and is cuda" in found[1]
    assert "number of threads was 2 and is 4" in found[2]


def test_another_number_of_ranks_is_a_warning():
    then, now = content(RunConfig()), opened(checkpoint_content(host={"ranks": 2}))
    (found,) = host_warnings(opened(then), now)
    assert found.startswith("warning: the number of ranks was 1 and is 2: the run resumes, but ")
    del then["host"]["ranks"]
    assert list(host_warnings(opened(then), now)) == [found]
