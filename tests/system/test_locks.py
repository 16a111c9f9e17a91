"""Folder locks: owners, waiting and refusal."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cmapss_rul.system.errors import DataError, RulError
from cmapss_rul.system.locks import LOCK, OWNER, entries_in, lock_folder, wait_for_folder

ROOT = Path(__file__).parents[1]
HOLDER = """
import sys, time
from pathlib import Path
from cmapss_rul.system.locks import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def start_lock_holder():
    """A function that starts a process that locks a folder until it reads a line."""
    started = []

    def hold(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def refused(lock, error, match):
    with pytest.raises(error, match=match), lock:
        pass


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_names_in_a_folder_exclude_the_lock(tmp_path):
    assert entries_in(tmp_path / "none") == set()
    (tmp_path / "mine").write_text("")
    (tmp_path / ".mine.999999999.part").write_text("")
    with lock_folder(tmp_path):
        assert entries_in(tmp_path) == {"mine"}


def test_a_folder_that_is_held_names_its_owner_and_is_clean_afterwards(tmp_path):
    (tmp_path / "mine").write_text("")
    with lock_folder(tmp_path):
        assert names(tmp_path) == [LOCK, OWNER, "mine"]
        assert (tmp_path / OWNER).read_text() == str(os.getpid())
    assert names(tmp_path) == ["mine"]


def test_a_second_process_is_refused_with_the_owners_pid(tmp_path, start_lock_holder):
    first = start_lock_holder(tmp_path)
    with pytest.raises(RulError) as caught, lock_folder(tmp_path):
        pass
    text = str(caught.value)
    assert f"is in use by process {first.pid}; wait" in text
    assert "--output" in text
    assert "\n" not in text
    assert names(tmp_path) == [LOCK, OWNER]
    assert (tmp_path / OWNER).read_text() == str(first.pid)
    first.communicate("go\n")
    with lock_folder(tmp_path):
        pass
    assert names(tmp_path) == []


def test_two_threads_of_one_process_exclude_each_other(tmp_path):
    with lock_folder(tmp_path):
        refused(lock_folder(tmp_path), RulError, f"by process {os.getpid()};")


def test_the_lock_of_a_killed_process_blocks_no_other(tmp_path, start_lock_holder):
    first = start_lock_holder(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert names(tmp_path) == [LOCK, OWNER]
    with lock_folder(tmp_path):
        assert (tmp_path / OWNER).read_text() == str(os.getpid())
    assert names(tmp_path) == []


def test_the_partial_note_of_a_killed_owner_is_removed_and_files_of_others_stay(tmp_path):
    (tmp_path / f".{OWNER}.999999999.part").write_text("")
    (tmp_path / ".mine.999999999.part").write_text("")
    with lock_folder(tmp_path):
        assert names(tmp_path) == [LOCK, ".mine.999999999.part", OWNER]
    assert names(tmp_path) == [".mine.999999999.part"]


@pytest.mark.parametrize("note", [None, b"", b"\xff\xfe", b"1\x1b[31m"])
def test_an_owner_that_cannot_be_read_is_unknown(tmp_path, start_lock_holder, note):
    start_lock_holder(tmp_path)
    (tmp_path / OWNER).unlink()
    if note is not None:
        (tmp_path / OWNER).write_bytes(note)
    refused(lock_folder(tmp_path), RulError, r"by process (of unknown number|1\\x1b\[31m);")


def test_a_waiting_process_reports_the_owner_and_then_gets_the_lock(
    tmp_path, start_lock_holder, caplog
):
    first = start_lock_holder(tmp_path)
    threading.Timer(1.0, lambda: first.stdin.write("go\n") and first.stdin.flush()).start()
    with wait_for_folder(tmp_path):
        assert (tmp_path / OWNER).read_text() == str(os.getpid())
    assert caplog.messages == [f"waiting for process {first.pid}, which writes into {tmp_path}"]
    assert names(tmp_path) == []


def test_without_a_handler_the_wait_is_reported_on_stderr(tmp_path, start_lock_holder):
    first = start_lock_holder(tmp_path)
    script = HOLDER.replace("lock_folder", "wait_for_folder")
    waiting = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    message = waiting.stderr.readline()
    first.communicate("go\n")
    out, err = waiting.communicate("go\n")
    assert message == f"waiting for process {first.pid}, which writes into {tmp_path}\n"
    assert (out, err, waiting.returncode) == ("held\n", "", 0)


@pytest.mark.parametrize("lock", [lock_folder, wait_for_folder])
def test_unused_new_folders_are_removed(tmp_path, lock):
    with pytest.raises(ValueError, match="mine"), lock(tmp_path / "a" / "b"):
        raise ValueError("mine")
    assert names(tmp_path) == []
    with lock(tmp_path / "a" / "b"):
        (tmp_path / "a" / "x").write_text("")
    assert names(tmp_path / "a") == ["x"]
    (tmp_path / "empty").mkdir()
    with lock(tmp_path / "empty"):
        pass
    assert (tmp_path / "empty").is_dir()


def test_a_folder_that_vanishes_ends_without_another_error(tmp_path):
    folder = tmp_path / "a"
    with lock_folder(folder):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert names(tmp_path) == []


def test_a_data_folder_that_cannot_be_written_is_reported_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    expected = "file/data: cannot be written: Not a directory"
    refused(wait_for_folder(tmp_path / "file" / "data"), DataError, expected)
    with pytest.raises(NotADirectoryError), lock_folder(tmp_path / "file" / "run"):
        pass
