"""`rul evaluate`, from the command line to its output and files."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from cmapss_rul.training import checkpoint_file
from tests.cli._asserts import assert_fails, names_in
from tests.evaluation._models import INTERVALS, SHIFTS


def test_it_prints_the_headline_and_saves_both_files(rul, run_folder):
    code, out, err = rul("evaluate", run_folder / "best.pt")
    assert (code, err) == (0, "")
    assert out.startswith("RMSE ")
    assert "simulated, not the official files" in " ".join(out.split())
    *_, saved, following = out.splitlines()
    assert len(out.splitlines()) <= 24
    assert max(map(len, out.splitlines()[:-2])) <= 80
    assert saved.startswith(f"saved {run_folder / 'evaluation.json'}")
    assert following == f"next: rul report {run_folder}"
    assert names_in(run_folder) == ["best.pt", "evaluation.json", "predictions.csv"]


def test_full_prints_every_table(rul, run_folder):
    code, out, err = rul("evaluate", run_folder / "best.pt", "--full")
    assert (code, err) == (0, "")
    assert out.startswith("FD001 · simulated, not the official files · one seed (0)")
    assert "one run is one seed" in " ".join(out.split())
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert str(run_folder / "evaluation.json") in out.splitlines()[-1]


def test_a_run_folder_means_its_best(rul, run_folder):
    assert rul("evaluate", run_folder)[0] == 0
    assert names_in(run_folder) == ["best.pt", "evaluation.json", "predictions.csv"]


def test_json_output_equals_the_saved_file(rul, run_folder):
    code, out, err = rul("evaluate", run_folder, "--json")
    assert (code, err) == (0, "")
    assert out == (run_folder / "evaluation.json").read_text()
    found = json.loads(out)
    assert found["protocol"]["window"] == 40
    assert found["protocol"]["simulated"] is True
    rows = list(csv.DictReader(io.StringIO((run_folder / "predictions.csv").read_text())))
    assert len(rows) == found["protocol"]["engines"]
    error = [float(row["predicted_rul"]) - float(row["true_rul_capped"]) for row in rows]
    assert found["metrics"]["last"]["capped"]["bias"] == pytest.approx(sum(error) / len(error))


def test_evaluating_another_checkpoint_overwrites_nothing(rul, run_folder):
    assert rul("evaluate", run_folder)[0] == 0
    before = (run_folder / "evaluation.json").read_text()
    shutil.copy(run_folder / "best.pt", run_folder / "last.pt")
    code, out, _ = rul("evaluate", run_folder / "last.pt")
    assert code == 0
    assert out.splitlines()[-1] == f"next: rul predict {run_folder / 'last.pt'} FILE"
    assert {"evaluation-last.json", "predictions-last.csv"} <= set(names_in(run_folder))
    assert (run_folder / "evaluation.json").read_text() == before


def test_output_names_another_folder(rul, run_folder, tmp_path):
    assert rul("evaluate", run_folder, "--output", tmp_path / "new" / "figures")[0] == 0
    assert names_in(tmp_path / "new" / "figures") == ["evaluation.json", "predictions.csv"]
    assert names_in(run_folder) == ["best.pt"]


def test_a_second_evaluation_gives_the_same_bytes(rul, run_folder):
    rul("evaluate", run_folder)
    before = {name: (run_folder / name).read_bytes() for name in names_in(run_folder)}
    rul("evaluate", run_folder)
    assert {name: (run_folder / name).read_bytes() for name in names_in(run_folder)} == before


def test_data_names_the_folder_of_the_files(rul, run_folder, fleet_dir, tmp_path):
    other = shutil.copytree(fleet_dir, tmp_path / "elsewhere")
    (other / "train_FD001.txt").unlink()
    (other / "RUL_FD001.txt").write_text("50\n" * 20)
    code, out, _ = rul("evaluate", run_folder, "--json", "--data", other)
    assert code == 0
    digest = json.loads(out)["protocol"]["digest"]
    assert digest["test_FD001.txt"]["simulated"] is True
    assert digest["RUL_FD001.txt"]["simulated"] is False
    assert json.loads(out)["floors"]["last"]["raw"]["rmse"] == 0


def test_the_device_is_a_choice(rul, run_folder):
    assert rul("evaluate", run_folder, "--device", "cpu")[0] == 0
    assert "expected one of auto, cpu, cuda" in assert_fails(
        rul("evaluate", run_folder, "--device", "tpu"), code=2
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_an_unavailable_device(rul, run_folder):
    assert "finds no CUDA device" in assert_fails(
        rul("evaluate", run_folder, "--device", "cuda"), code=2
    )


def test_a_folder_without_best_lists_its_files(rul, run_folder):
    (run_folder / "best.pt").rename(run_folder / "last.pt")
    assert "last.pt" in assert_fails(rul("evaluate", run_folder))
    assert names_in(run_folder) == ["last.pt"]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such checkpoint"), (b"hello\n", "not a checkpoint of")]
)
def test_files_other_than_checkpoints(rul, tmp_path, content, message):
    path = tmp_path / "best.pt"
    if content is not None:
        path.write_bytes(content)
    line = assert_fails(rul("evaluate", path))
    assert message in line
    assert str(path) in line


def test_an_unwritable_output_is_detected_before_the_evaluation(
    rul, run_folder, tmp_path, monkeypatch
):
    def work(*_):
        raise AssertionError("the work was begun")

    monkeypatch.setattr("cmapss_rul.training.trained_model.predict", work)
    (tmp_path / "file").write_text("")
    line = assert_fails(rul("evaluate", run_folder, "--output", tmp_path / "file"))
    assert "cannot be written" in line
    assert names_in(run_folder) == ["best.pt"]


def test_unavailable_data(rul, run_folder, tmp_path):
    line = assert_fails(rul("evaluate", run_folder, "--data", tmp_path / "nothing"))
    assert "test_FD001.txt" in line
    assert names_in(run_folder) == ["best.pt"]


@pytest.mark.parametrize("text", ["50\n" * 19, "50\n" * 21, "fifty\n" * 20, "-1\n" * 20, ""])
def test_a_wrong_rul_file_is_named(rul, run_folder, fleet_dir, tmp_path, text):
    own = shutil.copytree(fleet_dir, tmp_path / "own")
    (own / "RUL_FD001.txt").write_text(text)
    line = assert_fails(rul("evaluate", run_folder, "--data", own))
    assert str(own / "RUL_FD001.txt") in line
    assert names_in(run_folder) == ["best.pt"]


def test_a_test_file_of_another_shape_is_named(rul, run_folder, fleet_dir, tmp_path):
    own = shutil.copytree(fleet_dir, tmp_path / "own")
    (own / "test_FD001.txt").write_text("1 1 0.5\n")
    assert "test_FD001.txt" in assert_fails(rul("evaluate", run_folder, "--data", own))


@pytest.mark.parametrize("words", [["evaluate"], ["evaluate", "best.pt", "--jsno"]])
def test_usage_errors_exit_with_2(rul, words):
    assert_fails(rul(*words), code=2)


def test_help_shows_an_example_and_needs_no_torch():
    code = (
        "import sys; from cmapss_rul.cli import main\n"
        "try: main(['evaluate', '--help'])\n"
        "finally: assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "rul evaluate runs/fd001-s0" in done.stdout
    assert done.stderr == ""


def test_a_pipe_gets_no_escape_codes(trained, tmp_path):
    code = "from cmapss_rul.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "evaluate", str(trained), "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert "\x1b" not in done.stdout
    assert done.stdout.startswith("RMSE ")


def test_a_missing_estimate_names_the_command(rul, run_folder):
    code, out, err = rul("evaluate", run_folder, "--estimate", "nasa")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "no estimate for the NASA score" in err
    assert not (run_folder / "evaluation.json").exists()


def test_both_estimates_are_printed_below_each_other(rul, run_folder):
    content = checkpoint_file.read(run_folder / "best.pt")
    known = INTERVALS.model_copy(update=SHIFTS)
    checkpoint_file.write(run_folder / "best.pt", {**content, "calibration": known.model_dump()})
    plain = rul("evaluate", run_folder)[1]
    both = rul("evaluate", run_folder, "--estimate", "nasa")[1]
    assert "Two point estimates" not in plain
    assert "Two point estimates" in both
    for line in plain.splitlines():
        assert line in both
    assert "Two point estimates" in rul("evaluate", run_folder, "--full")[1]
