"""Two processes that use the same run folder or the same data files."""

import contextlib
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from cmapss_rul.data.columns import file_names
from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.sources import fetch
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.locks import LOCK, OWNER, wait_for_folder
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.processes import command, fork, is_running, wait
from tests.training.inputs import tiny_config, tiny_config_dict, train_interrupted

NAMES = file_names(["FD001"])


@pytest.fixture
def endless(eight_engine_dir, tmp_path):
    """A process that trains in `run` endlessly and has saved its first epoch."""
    keys = tiny_config_dict(eight_engine_dir, train={"epochs": 100_000, "window_share": 0.001})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(keys))
    output, run = tmp_path / "output", tmp_path / "run"
    process = fork(command("train", "-c", tmp_path / "mine.yaml", "--output", run), output)
    while "\nepoch " not in output.read_text():
        assert is_running(process), output.read_text()
        time.sleep(0.01)
    yield process, tiny_config(eight_engine_dir, train=keys["train"]), run
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(process, signal.SIGKILL)
        wait(process)


def test_a_second_writer_is_refused_and_the_first_continues(endless):
    process, config, folder = endless
    with pytest.raises(RulError) as caught:
        train(config, folder, device="cpu", resume=True)
    assert f"{folder} is in use by process {process}; wait" in str(caught.value)
    assert caught.value.exit_code == 1
    with pytest.raises(UsageError, match="exists already"):
        train(config, folder, device="cpu")
    assert is_running(process)
    before = checkpoint_file.read(folder / "last.pt")["loop"]["epoch"]
    while checkpoint_file.read(folder / "last.pt")["loop"]["epoch"] == before:
        assert is_running(process)
    os.kill(process, signal.SIGTERM)
    assert wait(process) == 143
    assert not {LOCK, OWNER} & {path.name for path in folder.iterdir()}


def test_the_lock_of_a_killed_run_blocks_nobody(endless):
    process, config, folder = endless
    os.kill(process, signal.SIGKILL)
    wait(process)
    assert (folder / OWNER).read_text() == str(process)
    train_interrupted(config, folder, resume=True, step=1)
    assert not {LOCK, OWNER} & {path.name for path in folder.iterdir()}


def test_readers_do_not_lock(endless):
    process, _, folder = endless
    assert restore(folder).epoch >= 1
    assert is_running(process)


def test_a_killed_start_leaves_a_folder_that_is_started_in(eight_engine_dir, tmp_path):
    """Killed while holding the lock, before config.yaml is written."""
    (tmp_path / LOCK).write_text("")
    (tmp_path / OWNER).write_text("999999999")
    config = tiny_config(eight_engine_dir, train={"epochs": 1, "window_share": 0.001})
    train(config, tmp_path, device="cpu", resume=True)
    assert not {LOCK, OWNER} & {path.name for path in tmp_path.iterdir()}


def late(call, folder, files, caplog):
    """Start a call while this thread has the turn, lay the files meanwhile; what it returns."""
    with ThreadPoolExecutor() as pool:
        with wait_for_folder(folder):
            found = pool.submit(call)
            while not caplog.messages and not found.done():
                time.sleep(0.01)
            for path in files.glob("*_FD001*"):
                shutil.copy(path, folder)
        return found.result()


def test_of_two_downloads_the_second_waits_and_uses_the_files(eight_engine_dir, tmp_path, caplog):
    source = tmp_path / "source"
    source.mkdir()
    for name in NAMES:
        shutil.copy(eight_engine_dir / name, source)
    folder = tmp_path / "data"
    found = late(lambda: fetch(NAMES, folder, "/nowhere", progress=False), folder, source, caplog)
    assert caplog.messages == [f"waiting for process {os.getpid()}, which writes into {folder}"]
    assert (len(found.unchanged), found.written, found.source) == (3, (), None)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)


def test_of_two_simulations_the_second_waits_and_uses_the_files(eight_engine_dir, tmp_path, caplog):
    folder = tmp_path / "data"
    found = late(lambda: simulate(folder, engines=8), folder, eight_engine_dir, caplog)
    assert caplog.messages == [f"waiting for process {os.getpid()}, which writes into {folder}"]
    assert (len(found.unchanged), found.written) == (3, ())
    assert not {LOCK, OWNER} & {path.name for path in folder.iterdir()}


def test_concurrent_simulations_create_one_fleet(eight_engine_dir, tmp_path):
    words = ("simulate", "--output", tmp_path / "data", "--engines", "8")
    outputs = [tmp_path / str(number) for number in range(3)]
    started = [fork(command(*words), output) for output in outputs]
    codes = [wait(process) for process in started]
    printed = [output.read_text() for output in outputs]
    assert codes == [0] * 3, printed
    assert sum("written" in text for text in printed) == 1
    for path in eight_engine_dir.glob("*_FD001*"):
        assert (tmp_path / "data" / path.name).read_bytes() == path.read_bytes()
