"""Which runs were evaluated."""

import pytest

from cmapss_rul.experiments.evaluation_index import Looked

FILES = ("best.pt", "evaluation.json", "predictions.csv")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    for name in FILES:
        (tmp_path / "run" / name).write_text(name)
    return tmp_path / "run"


def test_what_was_noted_holds(tmp_path, folder):
    looked = Looked(tmp_path / "looked.json")
    assert not looked.holds("run", folder)
    looked.note({"run": folder})
    assert Looked(tmp_path / "looked.json").holds("run", folder)
    assert not Looked(tmp_path / "looked.json").holds("other", folder)


def test_runs_noted_later_leave_the_former_ones(tmp_path, folder):
    looked = Looked(tmp_path / "looked.json")
    looked.note({"one": folder})
    looked.note({"two": folder})
    assert Looked(tmp_path / "looked.json").holds("one", folder)
    assert Looked(tmp_path / "looked.json").holds("two", folder)


@pytest.mark.parametrize("name", FILES)
def test_a_change_of_any_file_undoes_it(tmp_path, folder, name):
    looked = Looked(tmp_path / "looked.json")
    looked.note({"run": folder})
    (folder / name).write_text("changed")
    assert not looked.holds("run", folder)
    (folder / name).unlink()
    assert not looked.holds("run", folder)


@pytest.mark.parametrize("content", ["", "[]", '{"run": 3}', "[" * 100_000])
def test_a_damaged_note_counts_as_none(tmp_path, folder, content):
    (tmp_path / "looked.json").write_text(content)
    assert not Looked(tmp_path / "looked.json").holds("run", folder)
