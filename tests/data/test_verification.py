"""Digests, provenance, and verification of the files of a folder or source."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.archive import Member
from cmapss_rul.data.columns import SUBSETS, file_names
from cmapss_rul.data.verification import (
    CANONICAL_DIGESTS,
    DIGESTS,
    digest_stream,
    manifest_digests,
    path_exists,
    provenance,
    verify_folder,
    verify_source,
)
from cmapss_rul.system.errors import DataError
from tests.data._texts import small_set


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_tables_name_the_twelve_files():
    assert sorted(DIGESTS) == sorted(CANONICAL_DIGESTS) == sorted(file_names(SUBSETS))
    everything = [*DIGESTS.values(), *CANONICAL_DIGESTS.values()]
    assert len(set(everything)) == 24
    assert all(len(text) == 64 for text in everything)


def test_the_canonical_form_has_lf_and_no_trailing_spaces(tmp_path):
    path = tmp_path / "train_FD001.txt"
    path.write_bytes(b" 1 2  \r\n3\t4\t\n\n5 6")
    found = provenance(path)
    assert found.name == "train_FD001.txt"
    assert found.sha256 == sha256(b" 1 2  \r\n3\t4\t\n\n5 6")
    assert found.canonical_sha256 == sha256(b" 1 2\n3\t4\n\n5 6\n")
    assert not found.official
    assert not found.simulated
    assert found.mark == "not the official files"


@given(
    st.lists(st.text("12. ", min_size=1, max_size=9), min_size=1, max_size=9),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", " ", "  ", "\t "]),
    st.integers(0, 3),
)
def test_line_ends_and_trailing_spaces_do_not_change_it(rows, line_end, spaces, blank_lines):
    import io

    plain = "\n".join(row.rstrip() for row in rows).rstrip("\n")
    expected = sha256((plain + "\n").encode() if plain else b"\n")
    reformatted = line_end.join(row + spaces for row in rows) + line_end * blank_lines
    assert digest_stream(io.BytesIO(reformatted.encode()), "x").canonical_sha256 == expected


def test_a_file_is_hashed_again_after_it_has_changed(tmp_path):
    path = tmp_path / "train_FD001.txt"
    path.write_bytes(b"1 1\n")
    assert provenance(path).sha256 == provenance(path).sha256 == sha256(b"1 1\n")
    for content in (b"1 1 \n", b""):
        path.write_bytes(content)
        assert provenance(path).sha256 == sha256(content)
    other = tmp_path / "other.txt"
    other.write_bytes(b"1 2\n")
    other.replace(path)
    assert provenance(path).sha256 == sha256(b"1 2\n")


def test_a_name_has_its_own_digest(tmp_path, monkeypatch):
    content = b"112 \n98 \n"
    monkeypatch.setitem(CANONICAL_DIGESTS, "RUL_FD001.txt", sha256(b"112\n98\n"))
    for name, official in (("RUL_FD001.txt", True), ("RUL_FD002.txt", False)):
        (tmp_path / name).write_bytes(content)
        assert provenance(tmp_path / name).official is official
    assert provenance(tmp_path / "RUL_FD001.txt").mark == "official files"


def test_simulated_is_what_the_manifest_lists(tmp_path):
    path = tmp_path / "train_FD003.txt"
    path.write_bytes(b"1 1\n")
    manifest = tmp_path / "manifest_FD003.json"
    manifest.write_text(json.dumps({"files": {path.name: sha256(b"1 1\n")}}))
    assert provenance(path).simulated
    assert provenance(path).mark == "simulated"
    path.write_bytes(b"1 1 \n")
    assert not provenance(path).simulated


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', "\x00", "[" * 100_000])
def test_a_broken_manifest_lists_nothing(tmp_path, text):
    (tmp_path / "manifest_FD001.json").write_text(text)
    assert manifest_digests(tmp_path, "train_FD001.txt") == {}


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"train_FD001.txt: cannot be read: No such file"):
        provenance(tmp_path / "train_FD001.txt")
    assert not path_exists(tmp_path / "train_FD001.txt")
    with pytest.raises(DataError, match="cannot be accessed: File name too long"):
        path_exists(tmp_path / ("x" * 5000))


@pytest.mark.needs_data
def test_official_files_have_both_digests(official):
    for name in file_names(SUBSETS):
        content = (official / name).read_bytes()
        assert sha256(content) == DIGESTS[name]
        canonical = b"\n".join(line.rstrip() for line in content.splitlines()) + b"\n"
        assert sha256(canonical) == CANONICAL_DIGESTS[name]
        assert provenance(official / name).official


@pytest.mark.needs_data
def test_a_copy_with_other_line_ends_is_official(official, tmp_path):
    text = (official / "test_FD001.txt").read_text()
    path = tmp_path / "test_FD001.txt"
    path.write_bytes("\r\n".join(line.rstrip() for line in text.splitlines()).encode())
    assert provenance(path).official
    path.write_bytes(text.replace("642.58", "642.57", 1).encode())
    assert not provenance(path).official


def test_parquet_has_no_canonical_form(tmp_path):
    path = tmp_path / "my.parquet"
    path.write_bytes(b"PAR1" + b"x" * (2 << 20) + b" \n\r\n")  # no line of text is so long
    found = provenance(path)
    assert found.sha256 == found.canonical_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.mark == "not the official files"


FILES = small_set("FD001")
NAMES = list(FILES)


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def members(folder):
    return {name: Member.from_path(folder / name, name) for name in NAMES}


def test_a_valid_folder(folder):
    check = verify_folder(NAMES, folder)
    assert (list(check.valid), check.rejected) == (NAMES, [])
    assert not any(origin.official for origin in check.valid.values())


def test_a_missing_file_is_neither_valid_nor_refused(folder):
    (folder / "train_FD001.txt").unlink()
    check = verify_folder(NAMES, folder)
    assert (list(check.valid), check.rejected) == (NAMES[1:], [])


def test_an_invalid_file_is_reported_and_the_others_are_valid(folder):
    (folder / "train_FD001.txt").write_text("x\n")
    check = verify_folder(NAMES, folder)
    assert list(check.valid) == NAMES[1:]
    assert len(check.rejected) == 1
    assert check.rejected[0].startswith(f"{folder / 'train_FD001.txt'}, line 1: ")


@pytest.mark.parametrize("names", [NAMES, ["RUL_FD001.txt"]], ids=len)
def test_a_rul_file_must_match_the_requested_or_existing_test_file(folder, names):
    (folder / "RUL_FD001.txt").write_bytes(b"112 \n98 \n")
    check = verify_folder(names, folder)
    assert "RUL_FD001.txt" not in check.valid
    assert "RUL_FD001.txt" in check.rejected[0]


def test_files_of_a_source_are_returned_in_the_requested_order(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    names = ["RUL_FD001.txt", "train_FD001.txt", "test_FD001.txt"]
    found = verify_source(members(folder), names, empty, "own.zip", official=False)
    assert [origin.name for origin in found] == names


def test_only_official_files_on_request(folder):
    with pytest.raises(DataError, match=r"^train_FD001.txt: is not the official file \(sha256 "):
        verify_source(members(folder), NAMES[:1], folder, "a source", official=True)


def test_files_missing_from_a_source_are_named(folder):
    with pytest.raises(DataError, match=r"^own.zip: has no test_FD001.txt, RUL_FD001.txt$"):
        verify_source(
            {NAMES[0]: members(folder)[NAMES[0]]}, NAMES, folder, "own.zip", official=False
        )
