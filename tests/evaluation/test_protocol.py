"""The protocol that accompanies every metric."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.testset import EvaluationSet
from cmapss_rul.data.verification import Provenance
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.protocol import Protocol
from cmapss_rul.training.checkpoint import Versions
from cmapss_rul.training.trained_model import restore
from tests.evaluation._models import config_for, countdown, write_checkpoint


@pytest.fixture
def fleet_copy(fleet_dir, tmp_path):
    return shutil.copytree(fleet_dir, tmp_path / "own")


def test_the_protocol_is_complete(evaluation, fleet_dir):
    protocol = evaluation.protocol.as_dict()
    test = read_fleet(fleet_dir / "test_FD001.txt")
    assert protocol["subset"] == "FD001"
    assert protocol["cap"] == 125
    assert protocol["window"] == 40
    assert protocol["clamp"] == [0, 125]
    assert protocol["seed"] == 0
    assert protocol["epoch"] == 7
    assert protocol["engines"] == len(test.starts)
    assert protocol["padded"] == int((test.lengths < 40).sum())
    assert protocol["windows"] == test.rows
    assert protocol["unknown_conditions"] == 0
    assert "repeating the first cycle" in protocol["padding"]
    assert "validation engines only" in protocol["selection"]
    assert "training engines only" in protocol["scaling"]
    assert "one run is one seed" in protocol["runs"]
    assert protocol["versions"] == dict.fromkeys(
        ("trained", "evaluated"), Versions.current().model_dump()
    )
    assert protocol["inputs"][-1] == "cycle_count"


def test_the_split_has_its_resolved_seed(evaluation, fleet_dir, tmp_path):
    split = evaluation.protocol.split
    engines = len(read_fleet(fleet_dir / "train_FD001.txt").starts)
    assert split.by == "engines"
    assert split.fraction == 0.2
    assert split.seed == 0
    assert split.training_engines + split.validation_engines == engines
    config = config_for(fleet_dir)
    held = config.model_copy(
        update={"seed": 3, "split": config.split.model_copy(update={"seed": 11})}
    )
    protocol = evaluate(restore(write_checkpoint(tmp_path / "best.pt", held))).protocol
    assert (protocol.seed, protocol.split.seed) == (3, 11)


def test_calibration_engines_are_counted(evaluation, fleet_dir, tmp_path):
    assert evaluation.protocol.split.calibration_engines == 0
    assert "calibrate" not in dict(evaluation.protocol.lines())["split"]
    config = config_for(fleet_dir)
    kept = config.model_copy(update={"split": config.split.model_copy(update={"calibration": 0.2})})
    protocol = evaluate(restore(write_checkpoint(tmp_path / "best.pt", kept))).protocol
    assert (protocol.split.calibration, protocol.split.calibration_engines) == (0.2, 4)
    assert "12 train, 4 validate, 4 calibrate the intervals" in dict(protocol.lines())["split"]


def test_a_split_by_windows_is_flagged_as_a_leak(evaluation, fleet_dir, tmp_path):
    assert evaluation.protocol.split.leak is None
    config = config_for(fleet_dir)
    leaky = config.model_copy(update={"split": config.split.model_copy(update={"by": "windows"})})
    protocol = evaluate(restore(write_checkpoint(tmp_path / "best.pt", leaky))).protocol
    assert protocol.split.training_engines == protocol.split.validation_engines
    mark = "a leak: the windows that validate come from the engines that train"
    assert protocol.split.leak == mark
    lines = dict(protocol.lines())
    assert mark in lines["split"]
    assert mark in lines["selection"]
    assert "validation engines only" not in lines["selection"]


def test_simulated_files_are_flagged(evaluation):
    protocol = evaluation.protocol
    assert protocol.simulated is True
    assert protocol.official is False
    assert protocol.files == "simulated, not the official files"
    assert list(protocol.digest) == ["train_FD001.txt", "test_FD001.txt", "RUL_FD001.txt"]
    for digest in protocol.as_dict()["digest"].values():
        assert set(digest) == {"sha256", "canonical_sha256", "official", "simulated"}
        assert digest["simulated"] is True


def test_unofficial_files_are_flagged(model, fleet_copy):
    path = fleet_copy / "test_FD001.txt"
    rows = path.read_text().splitlines(keepends=True)
    words = rows[0].split()
    words[2] = f"{float(words[2]) + 1e-4:.4f}"
    path.write_text("".join([" ".join(words) + "\n", *rows[1:]]))
    protocol = evaluate(model, data_dir=str(fleet_copy)).protocol
    assert protocol.digest["test_FD001.txt"].simulated is False
    assert protocol.digest["test_FD001.txt"].official is False
    assert protocol.simulated  # the training file is still official
    assert not protocol.official


@pytest.mark.parametrize(
    ("official", "simulated", "words"),
    [
        ((True, True), (False, False), "official files"),
        ((True, False), (False, False), "not the official files"),
        ((False, True), (False, False), "not the official files"),
        ((True, False), (False, True), "simulated, not the official files"),
    ],
)
def test_one_unofficial_file_is_enough(model, fleet_dir, official, simulated, words):
    """Training file first, then test and RUL file alike."""
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    data = model.data.model_copy(update={"official": official[0], "simulated": simulated[0]})
    sources = [
        Provenance(f"{kind}_FD001.txt", "0" * 64, "0" * 64, official[1], simulated[1])
        for kind in ("test", "RUL")
    ]
    tested = EvaluationSet(fleet, None, [], sources, np.zeros(0, dtype=np.int64))
    protocol = Protocol.of(dataclasses.replace(model, data=data), tested)
    assert protocol.files == words
    assert protocol.official is all(official)
    assert protocol.simulated is any(simulated)
    assert dict(protocol.lines())["data"] == f"FD001, {words}"


def test_auxiliary_subsets_are_named_and_count(model, fleet_dir):
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    fleet_copy = {**model.data.model_dump(), "official": True, "simulated": False}
    also = {
        **fleet_copy,
        "subset": "FD003",
        "name": "train_FD003.txt",
        "engines": 100,
        "official": False,
    }
    data = type(model.data).model_validate({**fleet_copy, "auxiliary": [also]})
    trained = dataclasses.replace(model, data=data)
    protocol = Protocol.of(trained, EvaluationSet(fleet, None, [], [], fleet.engines[:0]))
    assert protocol.auxiliary == {"FD003": 100}
    assert protocol.files == "not the official files"
    assert set(protocol.digest) == {"train_FD001.txt", "train_FD003.txt"}
    assert dict(protocol.lines())["also trained on"] == "all 100 engines of FD003"


def test_unknown_conditions_are_counted(model, fleet_copy):
    path = fleet_copy / "test_FD001.txt"
    rows = np.loadtxt(path)
    rows[:3, 2:5] = (42, 0.84, 100)
    np.savetxt(path, rows, fmt=["%d", "%d"] + ["%.4f"] * 24)
    protocol = evaluate(model, data_dir=str(fleet_copy)).protocol
    assert protocol.unknown_conditions == 3
    assert "3 in an operating condition not seen in training" in dict(protocol.lines())["tested on"]


def test_a_checkpoint_not_chosen_by_validation_is_flagged(model):
    last = dataclasses.replace(model, epoch=model.best_epoch + 1)
    assert evaluate(last).protocol.selection.startswith("none")


def test_lines_have_every_option(evaluation):
    text = " ".join(f"{name}: {line}" for name, line in evaluation.protocol.lines())
    for word in [
        "FD001",
        "simulated",
        "cap",
        "40 cycles",
        "padded",
        "seed 0",
        "RMSE over every",
        "per operating condition",
        "[0, 125]",
        "one run is one seed",
        "torch",
        "train_FD001",
    ]:
        assert word in text


def test_the_protocol_is_plain_data(evaluation):
    plain = evaluation.protocol.as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.needs_data
@pytest.mark.parametrize(
    ("subset", "counts"),
    [
        ("FD001", (100, 0, 13_096)),
        ("FD002", (259, 6, 33_991)),
        ("FD003", (100, 0, 16_596)),
        ("FD004", (248, 11, 41_214)),
    ],
)
def test_official_files_are_counted_and_recognised(official, tmp_path, subset, counts):
    config = config_for(official, subset=subset, window=30)
    model = restore(write_checkpoint(tmp_path / "best.pt", config))
    protocol = evaluate(countdown(model)).protocol
    assert protocol.official
    assert not protocol.simulated
    assert protocol.files == "official files"
    assert (protocol.engines, protocol.padded, protocol.windows) == counts
    assert protocol.unknown_conditions == 0
