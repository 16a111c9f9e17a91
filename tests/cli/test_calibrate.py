"""`rul calibrate`, from the command line to its output and files."""

import json
import shutil

import pandas as pd
import pytest

from cmapss_rul.data.simulate import simulate
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.train import train
from tests.training.inputs import file_bytes, tiny_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of ten engines, five of them validation engines."""
    folder = tmp_path_factory.mktemp("ten")
    simulate(folder, engines=10)
    train(tiny_config(folder, split={"validation": 0.5}), folder / "run", device="cpu")
    return folder / "run"


@pytest.fixture
def run_folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def test_it_prints_the_saved_levels_and_the_caveats(rul, run_folder):
    assert rul("calibrate", run_folder) == (
        0,
        f"saved {run_folder / 'best.pt'}: intervals at 0.8 from 5 validation engines "
        "(these engines also selected the epoch)\n",
        "",
    )


def test_requested_levels_can_be_used_by_predict(rul, run_folder, trained):
    code, out, err = rul("calibrate", run_folder / "best.pt", "--level", "0.5,0.75", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["file"] == str(run_folder / "best.pt")
    assert found["intervals"]["levels"] == [0.5, 0.75, 0.8]  # the last was there
    added = json.loads(rul("calibrate", run_folder, "--level", "0.6", "--json")[1])
    assert added["intervals"]["levels"] == [0.5, 0.6, 0.75, 0.8]
    test_file, csv = trained.parent / "test_FD001.txt", run_folder / "out.csv"
    assert rul("predict", run_folder, test_file, "-o", csv)[0] == 0
    table = pd.read_csv(csv)
    assert (table["rul_lower"] <= table["rul"]).all()
    assert table["note"].str.startswith("interval at level 0.8 from 5 validation").all()
    code, out, err = rul("predict", run_folder, test_file, "--level", "0.7")
    assert (code, out) == (2, "")
    assert "was not calibrated at level 0.7; expected one of 0.5, 0.6, 0.75, 0.8; to" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--level", "high"], "--level: found high, expected numbers such as 0.8,0.9"),
        (["--level", "0.8,"], "--level: found 0.8,, expected numbers"),
        (["--level", "0.9"], "support levels up to 5/6; level 0.9 needs at least 9"),
        (["--level", "80"], "found level 80, expected a number between 0 and 1"),
        (["--device", "tpu"], "expected one of auto, cpu, cuda"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(rul, run_folder, words, message):
    before = file_bytes(run_folder)
    code, out, err = rul("calibrate", run_folder, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert file_bytes(run_folder) == before


def test_a_damaged_checkpoint_is_named(rul, run_folder):
    content = checkpoint_file.read(run_folder / "best.pt")
    content["split"]["validation"] = "all"
    checkpoint_file.write(run_folder / "best.pt", content)
    code, out, err = rul("calibrate", run_folder)
    assert (code, out) == (1, "")
    assert f"{run_folder / 'best.pt'}: a part is missing or has another shape" in err
