"""SIGINT and SIGTERM, at every stage of a command and while a run trains."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cmapss_rul.system.signals import (
    STOPPED,
    Interrupted,
    StopSignals,
    Terminated,
    terminable,
)

ROOT = Path(__file__).parents[2]
# a stage is reached when its function is called; then the process sends itself the signal
STAGE = """
import os, signal, sys
import {module} as home
signal.signal(signal.SIGINT, signal.default_int_handler)
def reached(*words, **keys):
    os.kill(os.getpid(), signal.{number})
    signal.pause()
home.{function} = reached
from cmapss_rul.__main__ import main
sys.argv[1:] = {words!r}
main()
"""


def test_sigterm_is_an_exception_inside_the_context_only():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), terminable():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_existing_handler_is_kept():
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        with terminable():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]


def test_in_another_thread_nothing_changes():
    entered = []

    def enter():
        with terminable():
            entered.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [signal.getsignal(signal.SIGTERM)]


# a second acquire blocks like a collective: handlers run, and it continues to wait
HUNG = """
import os, signal, threading
from cmapss_rul.system.signals import StopSignals, end_hung_process
with end_hung_process({seconds}, "rul: error: hung"), StopSignals() as stop:
    os.kill(os.getpid(), signal.{number})
    os.kill(os.getpid(), signal.SIGTERM)
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout={waits})
print("went on after", stop.received)
"""


def hanging_process(**words):
    return subprocess.run(
        [sys.executable, "-c", HUNG.format(**words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_process_that_hangs_after_a_signal_is_ended(number):
    end = hanging_process(number=number, seconds=0.2, waits=30)
    assert (end.returncode, end.stdout, end.stderr) == (1, "", "rul: error: hung\n")


def test_a_process_that_continues_is_not_ended():
    end = hanging_process(number="SIGTERM", seconds=30, waits=0.2)
    assert (end.returncode, end.stdout, end.stderr) == (0, "went on after 15\n", "")
    # SIGUSR1 with a handler of another program's
    script = """
import signal, time
from cmapss_rul.system.signals import end_hung_process
signal.signal(signal.SIGUSR1, lambda *_: None)
with end_hung_process(0.05, "rul: error: hung"):
    signal.raise_signal(signal.SIGUSR1)
    time.sleep(0.3)
print(signal.set_wakeup_fd(-1))
"""
    end = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (end.returncode, end.stdout, end.stderr) == (0, "-1\n", "")


def stopped(tmp_path, number, module, function, *words):
    script = STAGE.format(module=module, function=function, number=number.name, words=list(words))
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
@pytest.mark.parametrize(
    ("module", "function", "words"),
    [
        ("typer.main", "get_command", ["config", "list"]),
        ("cmapss_rul.config.shipped", "find_config", ["train", "--config", "demo"]),
        ("cmapss_rul.data.simulate", "_generate", ["simulate", "--output", "a"]),
        ("cmapss_rul.data.download", "_copy", ["download-data", "--source", "URL"]),
    ],
)  # fmt: skip
def test_before_training_a_signal_ends_at_once_and_leaves_nothing(
    tmp_path, number, code, word, module, function, words, server
):
    words = [server if word == "URL" else word for word in words]
    done = stopped(tmp_path, number, module, function, *words)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"rul: {word}; {STOPPED}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def server():
    """Address of a server that begins to send an archive."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"PK")

        def log_message(self, *words):
            del words

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}/a.zip"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def run_to_end(*words):
    """Run a Python command to its end, with this package."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_while_the_command_line_itself_is_imported(number, code):
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Finder:\n"
        "    def find_spec(self, name, *words):\n"
        f"        if name == 'typer': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from cmapss_rul.__main__ import main\n"
        "main()\n"
    )
    done = run_to_end("-c", script)
    assert done.returncode == code
    assert re.fullmatch(rf"rul: (interrupted|terminated); {STOPPED}\n", done.stderr)


def test_the_package_is_a_command():
    done = run_to_end("-m", "cmapss_rul", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cmapss_rul ")


def test_garbage_collection_at_exit_is_skipped():
    script = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(len(gc.get_objects()) < gc.get_freeze_count()))\n"
        "sys.argv = ['rul', '--version']\n"
        "from cmapss_rul.__main__ import main\n"
        "main()\n"
    )
    done = run_to_end("-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True"


# ---- a stop after the running step -----------------------------------------------------------


@pytest.fixture(autouse=True)
def _handlers_stay():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_recorded(number):
    with StopSignals() as stop:
        assert stop.received is None
        signal.raise_signal(number)
        assert stop.received == number


def test_the_first_signal_counts():
    with StopSignals() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.received == signal.SIGINT


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_ends_at_once(first):
    with pytest.raises(KeyboardInterrupt), StopSignals():  # noqa: PT012
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGINT)


def test_the_handlers_are_put_back_after_an_error():
    with pytest.raises(ValueError, match="mine"), StopSignals():
        raise ValueError("mine")


def test_a_handler_that_python_did_not_set_is_left_alone():
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as stop:
        stop._previous[signal.SIGTERM] = None  # what signal.signal answers in that case
    signal.signal(signal.SIGTERM, before)


def test_nothing_is_caught_outside_the_main_thread():
    found = []

    def work():
        with StopSignals() as stop:
            found.append((stop.received, stop._previous))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(None, {})]


def test_an_interrupt_carries_its_exit_code():
    assert Interrupted("go on with …", 143).exit_code == 143
