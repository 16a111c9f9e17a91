"""Configuration and run folder selected by the options of `rul train`."""

import shutil
from pathlib import Path

import pytest
import yaml

from cmapss_rul.system.errors import CheckpointError, UsageError
from cmapss_rul.training.run_selection import select_run
from cmapss_rul.training.train import train
from tests.training.inputs import tiny_config, tiny_config_dict, train_interrupted


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch, eight_engine_dir):
    """A working directory with `mine.yaml`, the configuration of a tiny run."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(tiny_config_dict(eight_engine_dir)))
    return tmp_path


@pytest.fixture
def finished(workspace, finished_run):
    """The working directory with a finished run, runs/mine-s0."""
    shutil.copytree(finished_run, "runs/mine-s0")
    return workspace


def refused(match, *arguments, **options):
    with pytest.raises(UsageError, match=match) as caught:
        select_run(*arguments, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


# ---- a new run --------------------------------------------------------------------------------


def test_a_new_run_is_named_by_configuration_and_seed(eight_engine_dir):
    first = select_run("mine.yaml")
    assert first.run.path == Path("runs/mine-s0")
    assert first.config == tiny_config(eight_engine_dir)
    assert first.note == ""
    assert select_run("mine.yaml", seed=3).run.path == Path("runs/mine-s3")
    assert select_run("mine.yaml", sets=["seed=4"]).run.path == Path("runs/mine-s4")


def test_a_shipped_configuration_is_found_by_name_with_or_without_ending():
    assert select_run("demo").run.path == select_run("demo.yaml").run.path == Path("runs/demo-s0")
    assert select_run("demo").config.data.source == "simulated"


@pytest.mark.usefixtures("finished")
def test_existing_run_names_are_skipped():
    assert select_run("mine.yaml").run.path == Path("runs/mine-s0-2")
    Path("runs/mine-s0-2").mkdir()
    assert select_run("mine.yaml").run.path == Path("runs/mine-s0-3")
    assert select_run("mine.yaml", seed=1).run.path == Path("runs/mine-s1")


def test_output_names_another_folder():
    assert select_run("mine.yaml", output=Path("here")).run.path == Path("here")


def test_seed_set_and_data_change_the_configuration():
    found = select_run(
        "mine.yaml", seed=7, sets=["seed=3", "train.epochs=9"], data=Path("my data")
    ).config
    assert (found.seed, found.train.epochs, found.data.dir) == (7, 9, "my data")


@pytest.mark.parametrize("seed", [-1, 2**63, 10**30])
def test_a_seed_out_of_range_is_refused(seed):
    refused("seed", "mine.yaml", seed=seed)


def test_without_config_the_shipped_ones_are_listed():
    refused("--config is missing; name a YAML file or one of: .*demo.*fd001", None)
    refused("--config is missing", None, resume="auto")


def test_an_unknown_configuration_lists_the_shipped_ones():
    refused("shipped: fd001", "fd01")


# ---- --resume auto ----------------------------------------------------------------------------


def test_auto_without_a_run_starts_one_with_a_note():
    found = select_run("mine.yaml", resume="auto", seed=2)
    assert found.run.path == Path("runs/mine-s2")
    assert found.note == (
        "there is no run of this configuration with seed 2 under runs: starting runs/mine-s2; "
        "--resume PATH resumes one elsewhere"
    )


@pytest.mark.usefixtures("finished")
def test_auto_takes_the_runs_of_that_name_and_seed():
    found = select_run("mine.yaml", resume="auto")
    assert found.run.path == Path("runs/mine-s0")
    assert found.note == "there is no unfinished run of this configuration with seed 0 under runs"
    assert select_run("mine.yaml", resume="auto", seed=1).run.path == Path("runs/mine-s1")
    assert select_run("demo", resume="auto").run.path == Path("runs/demo-s0")


@pytest.mark.usefixtures("finished")
def test_auto_prefers_the_newest_unfinished_run():
    shutil.copytree("runs/mine-s0", "runs/mine-s0-3")
    assert select_run("mine.yaml", resume="auto").run.path == Path("runs/mine-s0-3")
    Path("runs/mine-s0-2").mkdir()
    assert select_run("mine.yaml", resume="auto").run.path == Path("runs/mine-s0-2")


def unfinished(path, eight_engine_dir, **parts):
    """Create a run that was stopped after its first epoch."""
    train_interrupted(tiny_config(eight_engine_dir, **parts), Path(path), epoch=1)


def test_auto_finds_the_newest_unfinished_run_in_any_folder(eight_engine_dir):
    unfinished("runs/first", eight_engine_dir)
    unfinished("runs/second", eight_engine_dir)
    unfinished("runs/mine-s0", eight_engine_dir, train={"batch_size": 9})
    unfinished("runs/third", eight_engine_dir, seed=1)
    unfinished("elsewhere", eight_engine_dir)
    Path("runs/no config").mkdir()
    Path("runs/no yaml").mkdir()
    Path("runs/no yaml/config.yaml").write_text("seed: [")
    found = select_run("mine.yaml", resume="auto")
    assert found.run.path == Path("runs/second")
    assert found.note == (
        "resuming runs/second, the newest unfinished run of this configuration with seed 0 under "
        "runs"
    )
    train(found.config, found.run, device="cpu", resume=True)
    assert select_run("mine.yaml", resume="auto").run.path == Path("runs/first")
    assert select_run("mine.yaml", resume="auto", seed=1).run.path == Path("runs/third")


def test_auto_continues_a_finished_run_of_another_name(eight_engine_dir):
    train(tiny_config(eight_engine_dir), Path("runs/own name"), device="cpu")
    more = select_run("mine.yaml", resume="auto", sets=["train.epochs=3"])
    assert more.run.path == Path("runs/own name")
    assert select_run("mine.yaml", resume="auto", sets=["train.epochs=1"]).run.path == Path(
        "runs/mine-s0"
    )


@pytest.mark.usefixtures("finished")
def test_auto_with_output_takes_that_folder():
    found = select_run("mine.yaml", resume="auto", output=Path("runs/mine-s0"), seed=5)
    assert (found.run.path, found.note) == (Path("runs/mine-s0"), "")
    new = select_run("mine.yaml", resume="auto", output=Path("new"))
    assert new.run.path == Path("new")
    assert new.note == "there is no run new yet: starting it"
    assert select_run(None, resume="auto", output=Path("runs/mine-s0")).config.train.epochs == 2


@pytest.mark.usefixtures("finished")
def test_auto_names_a_damaged_checkpoint():
    Path("runs/mine-s0/last.pt").write_bytes(b"cut")
    assert select_run("mine.yaml", resume="auto").run.path == Path(
        "runs/mine-s0"
    )  # previous.pt is intact
    Path("runs/mine-s0/previous.pt").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=r"runs/mine-s0/last\.pt"):
        select_run("mine.yaml", resume="auto")


# ---- --resume PATH ----------------------------------------------------------------------------


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("path", ["runs/mine-s0", "runs/mine-s0/", "runs/mine-s0/last.pt"])
@pytest.mark.parametrize("name", [None, "mine.yaml"])
def test_a_run_is_given_by_its_folder_or_last_checkpoint(path, name, eight_engine_dir):
    found = select_run(name, resume=path)
    assert found.run.path == Path("runs/mine-s0")
    assert found.config == tiny_config(eight_engine_dir)


@pytest.mark.usefixtures("finished")
def test_changes_apply_to_the_configuration_of_the_run():
    found = select_run(
        None, resume="runs/mine-s0", sets=["train.epochs=5"], data=Path("moved"), seed=0
    ).config
    assert (found.train.epochs, found.data.dir, found.seed) == (5, "moved", 0)
    assert select_run(None, resume="runs/mine-s0", seed=3).config.seed == 3  # refused later, by key


@pytest.mark.usefixtures("finished")
def test_a_run_without_a_checkpoint_is_identified_by_its_configuration(eight_engine_dir):
    for name in ("last.pt", "previous.pt"):
        Path("runs/mine-s0", name).unlink()
    assert select_run(None, resume="runs/mine-s0").config == tiny_config(eight_engine_dir)
    Path("runs/mine-s0/config.yaml").unlink()
    refused("neither last.pt nor config.yaml", None, resume="runs/mine-s0")
    assert select_run("mine.yaml", resume="runs/mine-s0").run.path == Path("runs/mine-s0")


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("path", ["runs/mine-s0/best.pt", "mine.yaml", "nowhere", "x/last.pt"])
def test_other_paths_are_refused(path):
    refused("expected 'auto', the folder of a run, or its last.pt", "mine.yaml", resume=path)


@pytest.mark.usefixtures("finished")
def test_resume_and_output_must_agree():
    refused(
        "--resume names the run runs/mine-s0, --output names other; leave one out",
        None,
        resume="runs/mine-s0",
        output=Path("other"),
    )
    same = select_run(None, resume="runs/mine-s0/last.pt", output=Path("runs/../runs/mine-s0"))
    assert same.run.path == Path("runs/mine-s0")


def test_the_selected_run_can_be_trained():
    first = select_run("mine.yaml", sets=["train.epochs=1"])
    train(first.config, first.run, device="cpu")
    more = select_run(None, resume=str(first.run.path), sets=["train.epochs=2"])
    train(more.config, more.run, device="cpu", resume=True)
    assert select_run("mine.yaml", resume="auto").run.path == first.run.path
