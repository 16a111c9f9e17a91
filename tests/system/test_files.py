"""Atomic writes: files appear complete or not at all."""

import os
import subprocess
import sys

import pytest

from cmapss_rul.system import files
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.files import (
    atomic_file,
    flush_folder,
    remove_partial_files,
    save_file,
    write_atomic,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_name_when_it_is_complete(tmp_path):
    path = tmp_path / "a" / "b" / "x.bin"
    with atomic_file(path) as file:
        file.write(b"one")
        assert names(path.parent) == [f".x.bin.{os.getpid()}.part"]
        file.write(b"two")
    assert path.read_bytes() == b"onetwo"
    assert names(path.parent) == ["x.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_after_an_error_only_the_old_file_remains(tmp_path, error):
    path = tmp_path / "x"
    path.write_text("former")
    with pytest.raises(error), atomic_file(path) as file:  # noqa: PT012
        file.write(b"half")
        raise error
    assert path.read_text() == "former"
    assert names(tmp_path) == ["x"]


def test_an_existing_file_is_replaced(tmp_path):
    for text in ("first", "second"):
        write_atomic(tmp_path / "x", text)
        assert (tmp_path / "x").read_text() == text
    assert names(tmp_path) == ["x"]


def test_text_is_utf_8_and_bytes_are_unchanged(tmp_path):
    write_atomic(tmp_path / "text", "½\r\n")
    assert (tmp_path / "text").read_bytes() == "½\r\n".encode()
    write_atomic(tmp_path / "bytes", b"\xff\x00")
    assert (tmp_path / "bytes").read_bytes() == b"\xff\x00"


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    """The system's own error says neither which file nor which disk."""

    def full(descriptor):
        del descriptor
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_atomic(tmp_path / "x", "text")
    assert caught.value.filename == str(tmp_path / "x")
    assert names(tmp_path) == []


def test_other_errors_keep_the_name_they_came_with(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").write_text("")
    with pytest.raises(OSError, match=r"directory|exists|empty") as caught:
        write_atomic(tmp_path / "folder", "text")
    assert caught.value.filename is not None
    assert names(tmp_path) == ["folder"]


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_partial_files_of_killed_processes_are_removed(tmp_path):
    dead = f".x.pt.{dead_process()}.part"
    kept = [f".y.{os.getppid()}.part", ".z.part", "x.1.part", ".hidden", "best.pt"]
    for name in (dead, *kept):
        (tmp_path / name).write_text("")
    remove_partial_files(tmp_path)
    assert names(tmp_path) == sorted(kept)
    remove_partial_files(tmp_path / "nowhere")


def test_in_a_users_folder_only_partial_files_of_the_file_itself_are_removed(tmp_path):
    number = dead_process()
    kept = [f".x.csv.old.{number}.part", f".film.{number}.part", f".x.csv.{os.getppid()}.part"]
    for name in (f".x.csv.{number}.part", *kept):
        (tmp_path / name).write_text("half")
    save_file(tmp_path / "x.csv", "whole")
    assert (tmp_path / "x.csv").read_text() == "whole"
    assert names(tmp_path) == sorted([*kept, "x.csv"])


def test_a_failed_write_is_one_line_and_keeps_the_old_file(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "former").write_text("")
    with pytest.raises(RulError) as caught:
        save_file(tmp_path / "x", "text", "; name another")
    assert str(caught.value) == f"{tmp_path}/x: cannot be written (Is a directory); name another"
    assert names(tmp_path) == ["x"]


def test_a_number_too_large_for_a_process_is_left_alone(tmp_path):
    (tmp_path / f".x.{10**30}.part").write_text("")
    remove_partial_files(tmp_path)
    assert len(names(tmp_path)) == 1


def test_a_process_of_another_user_is_alive(tmp_path, monkeypatch):
    def denied(pid, number):
        del pid, number
        raise PermissionError

    monkeypatch.setattr(files.os, "kill", denied)
    (tmp_path / ".x.12.part").write_text("")
    remove_partial_files(tmp_path)
    assert len(names(tmp_path)) == 1


def test_a_folder_that_cannot_be_flushed_is_no_failure(tmp_path):
    flush_folder(tmp_path)
    flush_folder(tmp_path / "nowhere")
