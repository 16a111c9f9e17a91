"""What passes the strict reader in a folder, and in which order it is asked."""

import pytest

from cmapss_rul.data.archive import Member
from cmapss_rul.data.verification import examine, examine_folder
from cmapss_rul.system.errors import DataError
from tests.data._texts import small_set

FILES = small_set("FD001")
NAMES = list(FILES)


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def members(folder):
    return {name: Member.at(folder / name, name) for name in NAMES}


def test_a_good_folder(folder):
    standing = examine_folder(NAMES, folder)
    assert (list(standing.good), standing.refused) == (NAMES, [])
    assert not any(origin.official for origin in standing.good.values())


def test_a_missing_file_is_neither_good_nor_refused(folder):
    (folder / "train_FD001.txt").unlink()
    standing = examine_folder(NAMES, folder)
    assert (list(standing.good), standing.refused) == (NAMES[1:], [])


def test_what_is_wrong_is_said_and_the_others_are_good(folder):
    (folder / "train_FD001.txt").write_text("x\n")
    standing = examine_folder(NAMES, folder)
    assert list(standing.good) == NAMES[1:]
    assert len(standing.refused) == 1
    assert standing.refused[0].startswith(f"{folder / 'train_FD001.txt'}, line 1: ")


@pytest.mark.parametrize("names", [NAMES, ["RUL_FD001.txt"]], ids=len)
def test_a_rul_file_must_fit_the_test_file_asked_for_or_in_place(folder, names):
    (folder / "RUL_FD001.txt").write_bytes(b"112 \n98 \n")
    standing = examine_folder(names, folder)
    assert "RUL_FD001.txt" not in standing.good
    assert "RUL_FD001.txt" in standing.refused[0]


def test_a_source_s_files_are_told_in_the_order_asked_for(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    wanted = ["RUL_FD001.txt", "train_FD001.txt", "test_FD001.txt"]
    found = examine(members(folder), wanted, empty, "own.zip", official=False)
    assert [origin.name for origin in found] == wanted


def test_only_official_files_where_they_are_asked_for(folder):
    with pytest.raises(DataError, match=r"^train_FD001.txt: is not the official file \(sha256 "):
        examine(members(folder), NAMES[:1], folder, "a source", official=True)


def test_what_a_source_lacks_is_named(folder):
    with pytest.raises(DataError, match=r"^own.zip: holds no test_FD001.txt, RUL_FD001.txt$"):
        examine({NAMES[0]: members(folder)[NAMES[0]]}, NAMES, folder, "own.zip", official=False)
