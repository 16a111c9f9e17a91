"""Worker processes: no job is lost, and a failure affects no other job."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cmapss_rul.system.signals import Interrupted
from cmapss_rul.system.workers import JobEvent, run_jobs
from tests.experiments.jobs import FailingJob, NeverEndingJob, SendingJob, SigtermIgnoringJob

ROOT = Path(__file__).parents[2]


class Recorder:
    """Records events, and may act on the messages of a job."""

    def __init__(self, on_progress=None) -> None:
        self.events: list[JobEvent] = []
        self._on_progress = on_progress

    def __call__(self, event):
        self.events.append(event)
        if event.kind == "progress" and self._on_progress is not None:
            self._on_progress()


def test_every_job_is_done_and_reported(tmp_path):
    recorder = Recorder()
    jobs = [SendingJob(str(number), tmp_path, (number, {"epoch": 1})) for number in range(5)]
    assert run_jobs(jobs, 2, recorder) == {}
    numbers = {(tmp_path / str(number)).read_text() for number in range(5)}
    assert 1 <= len(numbers) <= 2
    assert str(os.getpid()) not in numbers
    assert [event for event in recorder.events if event.job == "3"] == [
        JobEvent("3", "started"),
        JobEvent("3", "progress", 3),
        JobEvent("3", "progress", {"epoch": 1}),
        JobEvent("3", "ended"),
    ]
    assert multiprocessing.active_children() == []


def test_a_failed_job_is_named_and_stops_no_other(tmp_path, capfd):
    recorder = Recorder()
    causes = ("error", "killed", "defect", "exit")
    jobs = [*(FailingJob(cause, cause) for cause in causes), SendingJob("well", tmp_path)]
    assert run_jobs(jobs, 1, recorder) == {
        "error": r"no\ndata",
        "killed": "its process was killed by SIGKILL (out of memory?)",
        "defect": "ZeroDivisionError: oh",
        "exit": "its process ended with exit code 3",
    }
    assert (tmp_path / "well").exists()
    assert JobEvent("error", "ended", error=r"no\ndata") in recorder.events
    assert JobEvent("well", "ended") in recorder.events
    assert "ZeroDivisionError" in capfd.readouterr().err  # a defect prints its traceback


def test_no_jobs_start_no_process():
    assert run_jobs([], 2, Recorder()) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_processes(number):
    recorder = Recorder(on_progress=lambda: signal.raise_signal(number))
    with pytest.raises(Interrupted, match=f"stopped by {number.name}, all is saved") as caught:
        run_jobs([NeverEndingJob("one"), NeverEndingJob("two")], 1, recorder)
    assert caught.value.exit_code == 128 + number
    assert multiprocessing.active_children() == []
    assert JobEvent("two", "started") not in recorder.events


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_kills_jobs_that_do_not_stop(first):
    def stop():
        signal.raise_signal(first)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    recorder = Recorder(on_progress=stop)
    with pytest.raises(KeyboardInterrupt):
        run_jobs([SigtermIgnoringJob("one"), NeverEndingJob("two")], 1, recorder)
    assert multiprocessing.active_children() == []
    assert recorder.events == [JobEvent("one", "started"), JobEvent("one", "progress", "began")]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals that kill")
def test_processes_die_with_a_killed_parent(tmp_path):
    script = (
        "from tests.experiments.jobs import NeverEndingJob\n"
        "from cmapss_rul.system.workers import run_jobs\n"
        "import multiprocessing\n"
        "def report(event):\n"
        "    if event.kind == 'progress':\n"
        "        print(multiprocessing.active_children()[0].pid, flush=True)\n"
        "if __name__ == '__main__':\n"
        "    run_jobs([NeverEndingJob('one')], 1, report)\n"
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
            return  # a zombie
        time.sleep(0.05)
    pytest.fail("the process outlived its parent")
