"""Jobs in processes: none is lost, and none takes another with it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cmapss_rul.experiments.engine import run_jobs
from cmapss_rul.system.signals import Interrupted
from tests.experiments.jobs import Deaf, Fail, Say, Wait

ROOT = Path(__file__).parents[2]


class Heard:
    """A listener that keeps what it hears, and may act on what a job says."""

    def __init__(self, on_told=None) -> None:
        self.lines: list[tuple] = []
        self._on_told = on_told

    def started(self, name):
        self.lines.append(("started", name))

    def told(self, name, what):
        self.lines.append(("told", name, what))
        if self._on_told is not None:
            self._on_told()

    def ended(self, name, error):
        self.lines.append(("ended", name, error))


def test_every_job_is_done_and_heard(tmp_path):
    heard = Heard()
    jobs = [Say(str(number), tmp_path, (number, {"epoch": 1})) for number in range(5)]
    assert run_jobs(jobs, 2, heard) == {}
    numbers = {(tmp_path / str(number)).read_text() for number in range(5)}
    assert 1 <= len(numbers) <= 2
    assert str(os.getpid()) not in numbers
    assert [line for line in heard.lines if line[1] == "3"] == [
        ("started", "3"), ("told", "3", 3), ("told", "3", {"epoch": 1}), ("ended", "3", None),
    ]  # fmt: skip
    assert multiprocessing.active_children() == []


def test_failures_are_named_and_stop_no_other(tmp_path, capfd):
    heard = Heard()
    hows = ("error", "killed", "defect", "exit")
    jobs = [*(Fail(how, how) for how in hows), Say("well", tmp_path)]
    assert run_jobs(jobs, 1, heard) == {
        "error": "no data",
        "killed": "its process ended by SIGKILL, out of memory?",
        "defect": "ZeroDivisionError: oh",
        "exit": "its process ended by exit code 3",
    }
    assert (tmp_path / "well").exists()
    assert ("ended", "error", "no data") in heard.lines
    assert ("ended", "well", None) in heard.lines
    assert "ZeroDivisionError" in capfd.readouterr().err  # a defect leaves its trace


def test_no_jobs_start_no_process():
    assert run_jobs([], 2, Heard()) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes_and_says_so(number):
    heard = Heard(on_told=lambda: signal.raise_signal(number))
    with pytest.raises(Interrupted, match=f"stopped by {number.name}, all is saved") as caught:
        run_jobs([Wait("one"), Wait("two")], 1, heard)
    assert caught.value.exit_code == 128 + number
    assert multiprocessing.active_children() == []
    assert ("started", "two") not in heard.lines


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_kills_what_does_not_stop(first):
    def stop():
        signal.raise_signal(first)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    heard = Heard(on_told=stop)
    with pytest.raises(KeyboardInterrupt):
        run_jobs([Deaf("one"), Wait("two")], 1, heard)
    assert multiprocessing.active_children() == []
    assert heard.lines == [("started", "one"), ("told", "one", "began")]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals that kill")
def test_processes_die_with_a_killed_parent(tmp_path):
    script = (
        "from tests.experiments.jobs import Wait\n"
        "from cmapss_rul.experiments.engine import run_jobs\n"
        "import multiprocessing\n"
        "class Heard:\n"
        "    started = ended = lambda *a: None\n"
        "    def told(self, name, what):\n"
        "        print(multiprocessing.active_children()[0].pid, flush=True)\n"
        "if __name__ == '__main__':\n"
        "    run_jobs([Wait('one')], 1, Heard())\n"
    )
    (tmp_path / "parent.py").write_text(script)
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        child = int(parent.stdout.readline())
        parent.kill()
    for _ in range(200):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{child}/stat").read_text().split(") ")[1].startswith("Z"):
            return  # dead, and nobody there to bury it
        time.sleep(0.05)
    pytest.fail("the process outlived its parent")
