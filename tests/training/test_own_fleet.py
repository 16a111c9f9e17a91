"""Training on a user's own file: held-out engines have no influence; runs resume as usual."""

import shutil
from pathlib import Path

import pytest
import torch

from cmapss_rul.data.config import OWN_FILES
from cmapss_rul.data.fingerprints import engines_with
from cmapss_rul.data.trainset import read_train_records
from cmapss_rul.system.errors import DataError, UsageError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.config import RunConfig, fill_defaults
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.listing import describe_run
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train
from tests.data._own import KEYS, LIVES, own_rows, write_own
from tests.training.inputs import (
    MODEL,
    TRAIN,
    assert_same_run,
    comparable_content,
    differences,
    train_and_record,
    train_interrupted,
)


def own_config(file: Path, data=(), **parts) -> RunConfig:
    return RunConfig.model_validate(
        {
            "data": {**KEYS, "train": str(file), **dict(data)},
            "loss": {"health": {"boundaries": [10, 4]}},
            "model": MODEL,
            "train": {**TRAIN, "window_share": 1.0},
            **parts,
        }
    )


@pytest.fixture(scope="module")
def own_fleet_dir(tmp_path_factory):
    """Folder with a file and a finished run on it; read only."""
    folder = tmp_path_factory.mktemp("own")
    config = own_config(write_own(folder / "my.csv"), split={"test": 0.3})
    train(config, folder / "my-s0", device="cpu")
    return folder


def test_the_content_of_held_out_engines_changes_no_bit_of_the_training(own_fleet_dir, tmp_path):
    split = checkpoint_file.read(own_fleet_dir / "my-s0/best.pt")["split"]
    assert len(split["test"]) == 2  # 0.3 of 8, rounded
    assert sorted([*split["training"], *split["validation"], *split["test"]]) == [*range(1, 9)]
    aside = {list(LIVES)[number - 1] for number in split["test"]}
    rows = own_rows(lambda engine, cycle: 1e6 * cycle if engine in aside else 0)
    rows += [f"{engine},{life + 1},7777,-1e9,1e9,south" for engine, life in LIVES.items()
             if engine in aside]  # fmt: skip
    config = own_config(write_own(tmp_path / "my.csv", rows), split={"test": 0.3})
    train(config, tmp_path / "run", device="cpu")
    assert (own_fleet_dir / "my-s0/metrics.csv").read_text().splitlines()[0].startswith("epoch")
    for name in ("best.pt", "last.pt"):
        one, other = (
            comparable_content(own_fleet_dir / "my-s0" / name),
            comparable_content(tmp_path / "run" / name),
        )
        assert {*differences(one, other)} == {
            f"/data/{key}: {one['data'][key]} and {other['data'][key]}"
            for key in ("sha256", "canonical_sha256")
        }


def test_only_the_training_file_is_requested(own_fleet_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {"test": "there/is/none.csv", "rul_column": "left"}
    config = own_config(own_fleet_dir / "my.csv", data)
    train(config, tmp_path / "run", device="cpu")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}  # no data folder was created
    assert checkpoint_file.read(tmp_path / "run/best.pt")["split"]["test"] == []


def test_the_log_states_the_assumptions(own_fleet_dir, tmp_path):
    late = write_own(tmp_path / "late.csv", own_rows()[3:])
    notes = train_and_record(own_config(late), tmp_path / "run").notes
    assert notes[0] == (
        "each record of late.csv is assumed to end with the failure (data.event or "
        "data.censored mark those that do not); 2 of its engines are held out for rul evaluate"
    )
    assert notes[1] == "1 records start later than at cycle 1 and keep their cycle numbers"
    assert not any("official" in text for text in notes)
    assert describe_run(RunFolder(own_fleet_dir / "my-s0")).note == "own file"
    assert describe_run(RunFolder(own_fleet_dir / "my-s0")).subset == "my"


@pytest.mark.parametrize("step", [1, 3])
def test_an_interrupted_run_resumes_to_the_same_result(own_fleet_dir, tmp_path, step):
    config = own_config(own_fleet_dir / "my.csv", split={"test": 0.3})
    train_interrupted(config, tmp_path / "run", step=step)
    train(config, tmp_path / "run", device="cpu", resume=True)
    assert_same_run(own_fleet_dir / "my-s0", tmp_path / "run")


def test_a_run_resumes_with_a_moved_file_but_not_with_a_changed_one(own_fleet_dir, tmp_path):
    run = shutil.copytree(own_fleet_dir / "my-s0", tmp_path / "run")
    moved = Path(shutil.copy(own_fleet_dir / "my.csv", tmp_path / "my.csv"))
    longer = {"train": {**TRAIN, "window_share": 1.0, "epochs": 3}, "split": {"test": 0.3}}
    train(own_config(moved, **longer), run, device="cpu", resume=True)
    assert len(checkpoint_file.read(run / "last.pt")["loop"]["history"]) == 3
    assert RunFolder(run).newest()[0].run_config().data.train == str(moved)
    write_own(moved, own_rows()[:-1])
    longer["train"]["epochs"] = 4
    with pytest.raises(UsageError, match=r"data: my\.csv had SHA-256 .* and has "):
        train(own_config(moved, **longer), run, device="cpu", resume=True)
    with pytest.raises(UsageError, match=r"split\.test was 0\.3 and is 0\.2"):
        train(own_config(moved), run, device="cpu", resume=True)


def test_paths_do_not_identify_a_run_and_names_do(own_fleet_dir):
    one, other = own_config(Path("a/my.csv")), own_config(Path("b/my.csv"))
    assert one.without_paths() == other.without_paths()
    assert one.without_paths()["data"]["train"] == "my.csv"
    assert own_config(Path("your.csv")).without_paths() != one.without_paths()
    host = checkpoint_file.read(own_fleet_dir / "my-s0/best.pt")["host"]
    assert host["files"] == {"train": str(own_fleet_dir / "my.csv")}


def test_runs_older_than_the_keys_of_own_fleets_are_unchanged():
    now = RunConfig().without_paths()
    keys = {
        "data": (*OWN_FILES, "rul_column", "engine", "cycle", "settings", "sensors", "conditions"),
        "split": ("test", "test_seed"),
    }
    older = {part: dict(value) for part, value in now.items() if isinstance(value, dict)}
    for part, later in keys.items():
        for key in later:
            del older[part][key]
    assert fill_defaults({**now, **older}) == now


@pytest.mark.parametrize("split", [{"test": 0.3}, {"test_seed": 1}])
def test_engines_are_held_out_only_in_own_files(split):
    (key,) = split
    with pytest.raises(ValueError, match=rf"split\.{key} is for .*; here C-MAPSS has test files"):
        RunConfig.model_validate({"split": split})
    with pytest.raises(ValueError, match=r"here data\.test names a test file"):
        own_config(Path("my.csv"), {"test": "t", "rul_file": "r"}, split=split)


def test_conditions_by_a_column_and_none(own_fleet_dir):
    by_load = {"settings": [], "conditions": {"name": "column", "column": "load %"}}
    with pytest.raises(DataError, match=r"values of that column form \d+ operating conditions"):
        load_data(own_config(own_fleet_dir / "my.csv", by_load))
    without = own_config(own_fleet_dir / "my.csv", {"conditions": {"name": "none"}})
    scaler = load_data(without).preprocessor.scaler
    assert scaler.centre.shape == (1, 2)
    two = load_data(own_config(own_fleet_dir / "my.csv")).preprocessor
    assert two.conditions.table.tolist() == [[0.0], [50.0]]
    assert (two.scaler.centre[1, 0] - two.scaler.centre[0, 0]) == pytest.approx(50, abs=10)


def test_thousands_of_conditions_and_too_few_engines(own_fleet_dir, tmp_path):
    fine = own_config(
        own_fleet_dir / "my.csv", {"conditions": {"name": "settings", "decimals": [4]}}
    )
    with pytest.raises(DataError, match=r"form \d+ operating conditions; .* \(data\.conditions\.d"):
        load_data(fine)
    few = write_own(tmp_path / "few.csv", own_rows()[:20])
    with pytest.raises(DataError, match=r"found 2 engines in the training file; expected at"):
        load_data(own_config(few))
    assert torch.isfinite(load_data(own_config(few, split={"test": 0})).training.rul).all()


def with_life_column(path: Path) -> Path:
    """Twenty engines with their life lengths as a column."""
    rows = [
        f"e{engine},{cycle},{50 * (cycle % 2)},{engine * 7 % 5 + cycle % 3},{cycle % 7},{life}"
        for engine in range(20)
        for life in [9 + engine]
        for cycle in range(1, life + 1)
    ]
    return write_own(path, rows, "asset,hour,load %,temp,vib,life")


def test_a_label_among_the_inputs_is_refused_or_flagged(tmp_path):
    data = {"sensors": ["temp", "vib", "life"]}
    file = with_life_column(tmp_path / "my.csv")
    with pytest.raises(DataError) as caught:
        train(own_config(file, data), tmp_path / "run", device="cpu")
    assert str(caught.value) == (
        f"{file}: found labels, known only after the failure, among the inputs: 'life' (constant "
        "in each engine, it ranks them by their life); leave them out of data.sensors and "
        "data.settings, or set data.allow_labels to true, which marks all metrics"
    )
    assert not (tmp_path / "run").exists()
    recorder = train_and_record(own_config(file, {**data, "allow_labels": True}), tmp_path / "run")
    assert "a label among the inputs (life), so all metrics are optimistic" in recorder.notes
    assert checkpoint_file.read(tmp_path / "run/best.pt")["data"]["label_columns"] == ["life"]
    # columns that the network does not see may be labels
    train(own_config(file, {**data, "columns": ["temp"]}), tmp_path / "seen", device="cpu")
    assert checkpoint_file.read(tmp_path / "seen/best.pt")["data"]["label_columns"] == []


def test_an_older_run_with_labels_among_its_inputs_resumes(tmp_path, monkeypatch):
    config = own_config(with_life_column(tmp_path / "my.csv"), {"sensors": ["temp", "vib", "life"]})
    with monkeypatch.context() as patched:
        patched.setattr("cmapss_rul.training.inputs.find_labels", lambda *_: {})
        train_interrupted(config, tmp_path / "run", step=2)
        train(config, tmp_path / "whole", device="cpu")
    train(config, tmp_path / "run", device="cpu", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "run")


def test_duplicate_records_are_refused(tmp_path):
    twins = [row.replace("p-7,", "p-7 again,") for row in own_rows() if row.startswith("p-7,")]
    file = write_own(tmp_path / "my.csv", own_rows() + twins)
    with pytest.raises(DataError) as caught:
        train(own_config(file), tmp_path / "run", device="cpu")
    assert str(caught.value) == (
        f"{file}: found the same rows in the records of engines p-7 and p-7 again; leave one of "
        "each pair out, since no record may both train and validate or test"
    )
    assert not (tmp_path / "run").exists()


def test_fingerprints_exclude_held_out_engines(own_fleet_dir):
    content = checkpoint_file.read(own_fleet_dir / "my-s0/best.pt")
    config = own_config(own_fleet_dir / "my.csv", split={"test": 0.3})
    records, _ = read_train_records(config.data, own_fleet_dir / "my.csv")
    known = content["data"]["fingerprints"].numpy()
    found = engines_with(records.fleet, config.data.input_columns, known)
    assert sorted([*found.tolist(), *content["split"]["test"]]) == [*range(1, 9)]
