"""The training set: sides of the split, labels, and the engines used for scaling."""

import numpy as np
import pytest
import torch

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.trainset import prepare_training_data, read_train_records
from cmapss_rul.system.errors import DataError
from tests.data._fleets import SIX, fleet_of
from tests.data._own import HEADER, KEYS, own_rows, write_own
from tests.data._own import LIVES as OWN_LIVES
from tests.training.inputs import differences

LIVES = (30, 20, 40, 25, 35, 15, 45, 50, 22, 33)
DATA = DataConfig(window=6, cap=30, columns=("setting_1", "sensor_2", "sensor_3"))


def prepared(fleet, data=DATA, **split):
    return prepare_training_data(fleet, data, SplitConfig(**split), (30, 10), seed=5)


def test_each_window_belongs_to_the_side_of_its_engine():
    fleet = fleet_of(*LIVES)
    data = prepared(fleet)
    assert len(data.engines.validation) == 2
    for side, engines in (
        (data.training, data.engines.training),
        (data.validation, data.engines.validation),
    ):
        assert set(fleet.engine[side.windows.ends.numpy()]) == set(engines)
        assert set(fleet.engine[side.windows.starts.numpy()]) == set(engines)
        assert len(side) == sum(LIVES[number - 1] for number in engines)
    assert len(data.training) + len(data.validation) == fleet.rows


def test_calibration_engines_are_a_separate_side():
    fleet = fleet_of(*LIVES)
    data, plain = prepared(fleet, calibration=0.3), prepared(fleet)
    assert set(fleet.engine[data.calibration.windows.ends.numpy()]) == set(data.engines.calibration)
    assert len(data.training) + len(data.validation) + len(data.calibration) == fleet.rows
    assert (len(plain.calibration), len(plain.validation)) == (0, len(data.validation))
    assert data.mean_label == plain.mean_label


def test_calibration_engines_do_not_affect_the_scaling():
    fleet = fleet_of(*LIVES)
    before = prepared(fleet, calibration=0.3)
    kept = np.isin(fleet.engine, before.engines.calibration)
    fleet.values[kept] += 1000
    after = prepared(fleet, calibration=0.3)
    index = torch.arange(len(before.training))
    assert torch.equal(before.training.batch(index).windows, after.training.batch(index).windows)


def test_labels_belong_to_the_last_cycle_of_the_window():
    fleet = fleet_of(*LIVES)
    data = prepared(fleet)
    ends = data.training.windows.ends.numpy()
    life = np.repeat(fleet.lengths, fleet.lengths)[ends]
    rul = np.minimum(life - fleet.cycle[ends], 30)
    assert data.training.rul.tolist() == rul.tolist()
    assert data.training.rul.dtype == torch.float32
    expected = np.where(rul == 30, 0, np.where(rul > 10, 1, 2))
    assert data.training.health.tolist() == expected.tolist()
    assert data.training.health.dtype == torch.int64


def test_a_batch_has_the_requested_windows():
    data = prepared(fleet_of(*LIVES)).training
    index = torch.tensor([7, 0, 7])
    batch = data.batch(index)
    assert batch.windows.shape == (3, 6, 4)
    assert torch.equal(batch.windows[0], batch.windows[2])
    assert torch.equal(batch.rul, data.rul[index])
    assert torch.equal(batch.health, data.health[index])
    assert torch.equal(data.select(index).batch(torch.tensor([1])).rul, data.rul[:1])


def test_only_training_engines_affect_the_scaling():
    """The content of validation engines does not affect the training windows."""
    fleet, other = fleet_of(*LIVES, conditions=SIX), fleet_of(*LIVES, conditions=SIX)
    first = prepared(fleet)
    held_out = np.isin(other.engine, first.engines.validation)
    other.values[held_out, 3:] *= 1000
    second = prepared(other)
    assert differences(first.preprocessor.state_dict(), second.preprocessor.state_dict()) == []
    index = torch.arange(len(first.training))
    assert torch.equal(first.training.batch(index).windows, second.training.batch(index).windows)
    assert not torch.equal(
        first.validation.batch(torch.arange(5)).windows,
        second.validation.batch(torch.arange(5)).windows,
    )


def test_auxiliary_fleets_add_windows_that_train_only():
    """Each fleet has its own scaling, so units ten times as large make no difference."""
    fleet, other, tenfold = fleet_of(*LIVES), fleet_of(12, 9), fleet_of(12, 9)
    tenfold.values[:, 3:] *= 10
    alone = prepared(fleet)
    more, scaled = (
        prepare_training_data(fleet, DATA, SplitConfig(), (30, 10), 5, [added])
        for added in (other, tenfold)
    )
    own, index = len(alone.training), torch.arange(len(alone.training) + 21)
    assert (len(more.training), more.auxiliary, alone.auxiliary) == (own + 21, 21, 0)
    batch = more.training.batch(index)
    assert torch.equal(batch.windows[:own], alone.training.batch(index[:own]).windows)
    assert batch.rul[own:].tolist() == [*range(11, -1, -1), *range(8, -1, -1)]
    assert batch.health[own:].tolist() == [1] + [2] * 20
    torch.testing.assert_close(batch.windows, scaled.training.batch(index).windows)
    everything = torch.arange(len(alone.validation))
    same = [data.validation.batch(everything).windows for data in (alone, more)]
    assert torch.equal(*same)
    assert more.mean_label == alone.mean_label
    assert torch.equal(
        more.preprocessor.state_dict()["centre"], alone.preprocessor.state_dict()["centre"]
    )


def test_the_mean_label_is_over_every_row_whatever_the_split():
    fleet = fleet_of(3, 2)
    data = DataConfig(window=2, cap=1)
    means = [
        prepare_training_data(fleet, data, SplitConfig(), (1,), seed).mean_label
        for seed in range(4)
    ]
    assert means == pytest.approx([3 / 5] * 4)  # labels 1 1 0 and 1 0


def test_the_split_seed_has_precedence_over_the_run_seed():
    fleet = fleet_of(*LIVES)
    drawn = {tuple(prepared(fleet, seed=seed).engines.validation) for seed in (None, 5)}
    assert len(drawn) == 1
    assert tuple(prepared(fleet, seed=6).engines.validation) not in drawn


def test_the_set_moves_to_a_device_as_one():
    data = prepared(fleet_of(*LIVES)).validation.to(torch.device("meta"))
    tensors = (data.rul, data.health, data.windows.series, data.windows.starts, data.windows.ends)
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.needs_data
@pytest.mark.parametrize(
    ("subset", "rows"),
    [("FD001", 20_631), ("FD002", 53_759), ("FD003", 24_720), ("FD004", 61_249)],
)
def test_the_official_rows_are_all_used(official, subset, rows):
    fleet = read_fleet(official / f"train_{subset}.txt")
    data = prepare_training_data(fleet, DataConfig(subset=subset), SplitConfig(), (125, 50), seed=0)
    assert len(data.training) + len(data.validation) == rows
    assert set(data.training.health.tolist()) == {0, 1, 2}


def own_config(tmp_path, **keys) -> DataConfig:
    if not (tmp_path / "my.csv").exists():
        write_own(tmp_path / "my.csv")
    return DataConfig.model_validate({**KEYS, "train": str(tmp_path / "my.csv"), **keys})


def test_a_training_file_keeps_the_names_of_its_engines_and_its_columns(tmp_path):
    data = own_config(tmp_path)
    records, _ = read_train_records(data, tmp_path / "my.csv")
    assert records.names == list(OWN_LIVES)
    assert records.fleet.lengths.tolist() == list(OWN_LIVES.values())
    assert records.fleet.columns == ("load %", "temp", "vib")
    assert abs(records.fleet.column_values(["temp"])[0, 0] - 555) < 5


def refused(tmp_path, rows, header=HEADER, **keys) -> str:
    path = write_own(tmp_path / "my.csv", rows, header)
    with pytest.raises(DataError) as caught:
        read_train_records(own_config(tmp_path, **keys), path)
    return str(caught.value).replace(str(path), "my.csv")


def test_an_invalid_training_file_is_reported_in_one_line(tmp_path):
    rows = own_rows()
    assert refused(tmp_path, rows, HEADER.replace("temp", "tmp")) == (
        "my.csv: the column temp is missing; the nearest present is 'tmp'"
    )
    broken = [*rows[:2], rows[2].replace(",north", "").rpartition(",")[0] + ",oops,north"]
    assert refused(tmp_path, broken) == (
        "my.csv, line 4: found 'oops' in column 5 (vib), expected a finite number "
        "(of at most 1e+30)"
    )
    assert refused(tmp_path, [*rows, rows[3]]) == (
        "my.csv, lines 5 and 102: found cycle 4 of engine p-7 twice, expected each cycle once"
    )
    assert refused(tmp_path, rows[:3] + rows[4:]) == (
        "my.csv, line 5: found cycle 5 of engine p-7 after cycle 3, expected no gap; fill "
        "the gap, leave the engine out, or set data.gaps to keep, so that the RUL follows the "
        "cycle numbers"
    )
    assert refused(tmp_path, [*rows, "lone,1,0,500,0.1,x"]) == (
        "my.csv: found a single cycle of engine lone, expected its record until the failure; "
        "leave the engine out"
    )


def test_a_record_may_start_late(tmp_path):
    path = write_own(tmp_path / "my.csv", own_rows()[3:])
    fleet = read_train_records(own_config(tmp_path), path)[0].fleet
    assert fleet.cycle[:2].tolist() == [4, 5]
    assert fleet.lengths[0] == OWN_LIVES["p-7"] - 3
