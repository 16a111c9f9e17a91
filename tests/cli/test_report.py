"""`rul report`, from the command line to its output and files."""

import subprocess
import sys

import pytest

from tests.cli._asserts import assert_fails, names_in

pytestmark = pytest.mark.usefixtures("unrendered")


def test_a_run_gets_page_plots_and_card(rul, run_folder):
    code, out, err = rul("report", run_folder)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"saved {run_folder / 'MODEL_CARD.md'}",
        f"saved {run_folder / 'report.html'}, and its plots beside it",
    ]
    assert names_in(run_folder) == [
        "MODEL_CARD.md", "best.pt", "evaluation.json", "predictions.csv", "report-figures",
        "report.html",
    ]  # fmt: skip
    page = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "Left out: learning curves" in page


def test_the_page_is_written_to_output(rul, run_folder, tmp_path):
    code, out, _ = rul("report", run_folder, "--output", tmp_path / "new" / "mine.html")
    assert code == 0
    assert names_in(tmp_path / "new") == ["mine-figures", "mine.html"]
    assert str(tmp_path / "new" / "mine.html") in out
    assert "report.html" not in names_in(run_folder)


@pytest.mark.parametrize("name", ["best.pt", "report", "report.pdf", ""])
def test_only_html_outputs_are_accepted(rul, run_folder, name):
    before = (run_folder / "best.pt").read_bytes()
    line = assert_fails(rul("report", run_folder, "--output", run_folder / name), code=2)
    assert "expected a file name ending in .html" in line
    assert (run_folder / "best.pt").read_bytes() == before
    assert names_in(run_folder) == ["best.pt"]


def test_obstructions_are_detected_before_the_evaluation(rul, run_folder, monkeypatch):
    def work(*_):
        raise AssertionError("the work was begun")

    monkeypatch.setattr("cmapss_rul.training.trained_model.predict", work)
    (run_folder / "report.html").mkdir()
    assert "a folder of that name is in the way" in assert_fails(rul("report", run_folder))
    (run_folder / "report.html").rmdir()
    (run_folder / "report-figures").write_text("")
    assert "cannot be written" in assert_fails(rul("report", run_folder))


def test_other_folders_are_refused(rul, tmp_path):
    assert "there is no such folder" in assert_fails(rul("report", tmp_path / "nothing"), code=2)
    assert "found neither best.pt" in assert_fails(rul("report", tmp_path), code=2)
    (tmp_path / "grid.json").write_text("{}")
    assert "run rul compare again" in assert_fails(rul("report", tmp_path), code=2)
    assert "is not a folder" in assert_fails(rul("report", tmp_path / "grid.json"), code=2)
    assert names_in(tmp_path) == ["grid.json"]


def test_a_damaged_checkpoint_is_one_line(rul, tmp_path):
    (tmp_path / "best.pt").write_bytes(b"no")
    assert "best.pt" in assert_fails(rul("report", tmp_path))
    assert names_in(tmp_path) == ["best.pt"]


def test_unavailable_data(rul, run_folder, tmp_path):
    line = assert_fails(rul("report", run_folder, "--data", tmp_path / "nothing"))
    assert "test_FD001.txt" in line
    assert names_in(run_folder) == ["best.pt"]


def test_help_shows_an_example_and_needs_no_torch():
    code = (
        "import sys; from cmapss_rul.cli import main\n"
        "try: main(['report', '--help'])\n"
        "finally: assert not {'torch', 'pandas', 'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "rul report runs/fd001-s0" in done.stdout
    assert done.stderr == ""
