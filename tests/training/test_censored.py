"""Training on fleets with censored records, which end before the failure."""

import numpy as np
import pandas as pd
import pytest
import torch

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.labels import cap_rul
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.trainset import read_train_records
from cmapss_rul.losses.health import UNKNOWN_CLASS
from cmapss_rul.system.errors import DataError, UsageError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.calibrate import calibrate_run
from cmapss_rul.training.inputs import RunInputs, find_train_files, load_data, read_train_files
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.balancers.variants import VARIANTS, title
from tests.data._own import HEADER, LIVES, own_rows, write_own
from tests.training.inputs import (
    NOISY_MODEL,
    assert_same_run,
    comparable_content,
    differences,
    train_and_record,
    train_interrupted,
)
from tests.training.test_own_fleet import own_config

CENSORED = ("p-2", "p-5", "p-9")
NUMBERS = [number for number, name in enumerate(LIVES, start=1) if name in CENSORED]


def with_event(path, labels=("1", "0"), censored=CENSORED):
    rows = [f"{row},{labels[row.split(',')[0] in censored]}" for row in own_rows()]
    return write_own(path, rows, f"{HEADER},failed")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return with_event(tmp_path_factory.mktemp("censored") / "my.csv")


def config_of(file, *, data=(), **parts):
    return own_config(file, {"event": "failed", **dict(data)}, split={"test": 0}, **parts)


@pytest.mark.parametrize("labels", [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("yes", " NO ")])
def test_events_may_be_numbers_or_words(tmp_path, labels):
    file = with_event(tmp_path / "my.csv", labels)
    fleet = read_train_records(config_of(file).data, file)[0].fleet
    assert fleet.censored.tolist() == NUMBERS
    assert sorted([*fleet.failed, *fleet.censored]) == fleet.engines.tolist()


def test_events_may_be_booleans_of_parquet(file, tmp_path):
    table = pd.read_csv(file).astype({"failed": bool})
    table.to_parquet(tmp_path / "my.parquet")
    data = config_of(tmp_path / "my.parquet").data
    fleet = read_train_records(data, tmp_path / "my.parquet")[0].fleet
    assert fleet.censored.tolist() == NUMBERS


def test_ids_are_equivalent_to_a_column(file):
    by_ids = own_config(file, {"censored": ["p-9", "p-2", "p-5"]}, split={"test": 0})
    one, other = load_data(by_ids), load_data(config_of(file))
    for part in ("training", "validation", "bounds"):
        for name in ("rul", "health", "censored"):
            assert torch.equal(getattr(getattr(one, part), name),
                               getattr(getattr(other, part), name))  # fmt: skip


def test_ids_may_be_integers(tmp_path):
    rows = [row.replace("p-", "", 1) for row in own_rows()]
    file = write_own(tmp_path / "my.csv", rows)
    data = own_config(file, {"censored": [2, "9"]}, split={"test": 0}).data
    assert data.censored == ("2", "9")
    assert read_train_records(data, file)[0].fleet.censored.tolist() == [2, 6]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.replace("p-7,3,", "p-7,3,", 1)[:-1] + "2", "line 2: found 2 in column "
         "failed, expected 1 (true) where the engine's record ends with its failure, else 0"),
        (lambda row: row[:-1] + "0" if row.startswith("p-7,14,") else row,
         "line 15: found 0 in column failed for engine p-7, which has 1 before, expected one "),
        (lambda row: row[:-1] + "0", "found no record that ends with the failure among 8 engines"),
        (lambda row: row[:-1] + "maybe", "line 2: found 'maybe' in column 7 (failed), expected"),
    ],
)  # fmt: skip
def test_contradictory_events_are_refused(file, tmp_path, change, message):
    header, *rows = file.read_text().splitlines()
    wrong = write_own(tmp_path / "my.csv", [change(row) for row in rows], header)
    with pytest.raises(DataError) as caught:
        read_train_records(config_of(wrong).data, wrong)
    assert message in str(caught.value)


def test_a_censored_record_may_have_a_single_cycle(file, tmp_path):
    header, *rows = file.read_text().splitlines()
    for failed in "01":
        wrong = write_own(tmp_path / "my.csv", [*rows, f"new,1,50,500,0.1,north,{failed}"], header)
        data = config_of(wrong).data
        if failed == "1":
            with pytest.raises(DataError, match="found a single cycle of engine new, expected"):
                read_train_records(data, wrong)
        else:
            assert len(read_train_records(data, wrong)[0].fleet.censored) == 4


def test_an_unknown_id_is_named(file):
    data = own_config(file, {"censored": ["p-2", "p_5"]}).data
    with pytest.raises(DataError, match="found no engine 'p_5', which data\\.censored names; the "):
        read_train_records(data, file)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"event": "failed", "censored": ["p-2"]}, "event and censored both define"),
        ({"event": "temp"}, "'temp' is the column event, and cannot be a sensor, too"),
        ({"censored": [True]}, "string"),
    ],
)
def test_contradictory_keys_are_refused(file, keys, message):
    with pytest.raises(ValueError, match=message):
        own_config(file, keys)
    for key, value in (("event", "failed"), ("censored", ["p-2"])):
        with pytest.raises(ValueError, match=f"{key} is for a fleet of your own"):
            DataConfig.model_validate({key: value})


def test_labels_of_a_censored_record_are_bounds(file):
    data = load_data(config_of(file))
    cap = 10  # boundaries 10 and 4: a bound at the cap is class 0; any other leaves the class open
    bounds = np.concatenate([np.arange(LIVES[name])[::-1] for name in LIVES if name in CENSORED])
    sets = (data.training, data.bounds)
    rul = torch.cat([part.rul[part.censored] for part in sets])
    health = torch.cat([part.health[part.censored] for part in sets])
    assert sorted(rul.tolist()) == sorted(cap_rul(bounds, cap).tolist())
    assert torch.equal(health, torch.where(rul == cap, 0, UNKNOWN_CLASS))
    assert data.bounds.censored.all()
    assert not data.validation.censored.any()
    assert (data.validation.health != UNKNOWN_CLASS).all()
    failed = np.concatenate([np.arange(n)[::-1] for name, n in LIVES.items()
                             if name not in CENSORED])  # fmt: skip
    assert data.mean_label == pytest.approx(cap_rul(failed, cap).mean())


def test_both_kinds_of_records_are_split_in_equal_shares():
    engines = np.arange(1, 101)
    censored = engines[engines % 5 > 0]
    failed = np.setdiff1d(engines, censored)
    split = SplitConfig(test=0.2, validation=0.25, calibration=0.25)
    rest, test = split.hold_out_test(failed, censored)
    assert (np.isin(test, failed).sum(), np.isin(test, censored).sum()) == (4, 16)
    parts = split.split_engines(np.intersect1d(rest, failed), 0, np.intersect1d(rest, censored))
    assert sorted(np.concatenate([*parts, test])) == engines.tolist()
    assert [int(np.isin(part, failed).sum()) for part in parts] == [8, 4, 4]
    assert [int(np.isin(part, censored).sum()) for part in parts] == [48, 16, 0]
    # the split of the failed engines does not depend on the censored ones
    alone = split.split_engines(np.intersect1d(rest, failed), 0)
    for part, other in zip(parts, alone, strict=True):
        assert np.intersect1d(part, failed).tolist() == other.tolist()
    with pytest.raises(DataError, match="found 1 engine in the training file whose record ends"):
        split.split_engines(engines[:1], 0, engines[1:])


def test_a_column_of_ones_changes_no_bit(tmp_path):
    file = with_event(tmp_path / "my.csv", censored=())
    for name, event in (("plain", None), ("ones", "failed")):
        train(config_of(file, data={"event": event}), tmp_path / name, device="cpu")
    for name in ("best.pt", "last.pt"):
        found = differences(
            *(comparable_content(tmp_path / run / name) for run in ("plain", "ones"))
        )
        assert found == ["/config/data/event: NoneType and str"]


@pytest.mark.parametrize("balancer", VARIANTS, ids=title)
def test_every_balancer_resumes_exactly(file, tmp_path, balancer):
    keys = {"epochs": 2, "ema": 0.9, "batch_size": 16, "learning_rate": 1e-2}
    config = config_of(file, model=NOISY_MODEL, balancer=balancer.model_dump(),
                       train={"threads": 1, **keys})  # fmt: skip
    straight, parts = tmp_path / "straight", tmp_path / "parts"
    train(config, straight, device="cpu")
    train_interrupted(config, parts, step=2)
    train(config, parts, device="cpu", resume=True)
    assert_same_run(straight, parts)


def test_batches_without_a_known_class_or_a_violated_bound_are_trained_on(tmp_path):
    """Batches of two windows: many hold censored windows only, whose losses may both be 0."""
    file = with_event(tmp_path / "my.csv", censored=("p-2", "p-5", "p-9", "p-1", "p-4", "p-3"))
    config = config_of(file, train={"batch_size": 2, "epochs": 1, "threads": 1})
    train(config, tmp_path / "run", device="cpu")
    row = checkpoint_file.read(tmp_path / "run" / "best.pt")["loop"]["history"][0]
    assert np.isfinite(list(row.values())).all()


def test_only_failed_engines_select_and_calibrate(file, tmp_path):
    config = config_of(file)
    recorder = train_and_record(config, tmp_path / "run")
    assert recorder.notes[0] == (
        "5 of 8 records of my.csv end with the failure; the other 3 are trained on with a "
        "one-sided loss, and neither select the epoch nor calibrate the intervals"
    )
    log = (tmp_path / "run" / "train.log").read_text()
    assert "% of the bounds of 1 censored validation engine; mean shortfall over all windows" in log
    model = restore(tmp_path / "run")
    assert model.engines.censored == NUMBERS
    assert len(set(model.engines.validation) & set(NUMBERS)) == 1
    assert model.engines.calibrating == sorted({*model.engines.validation} - {*NUMBERS})
    assert model.calibration.engines == model.engines.calibrating
    # refitted from the file, it is equal except for the added level
    with pytest.raises(UsageError, match="1 calibration engine, which support"):
        calibrate_run(tmp_path / "run", [0.8])
    again = calibrate_run(tmp_path / "run", [0.5]).calibration
    assert again.knots == model.calibration.knots


def test_held_out_engines_are_counted(file):
    config = own_config(file, {"event": "failed"}, split={"test": 0.4})
    inputs = RunInputs.prepare(config, read_train_files(config, find_train_files(config)))
    assert inputs.censored.tolist() == NUMBERS
    assert len(np.intersect1d(inputs.test, NUMBERS)) == 1  # 0.4 of 3, rounded
    assert len(inputs.test) == 3
