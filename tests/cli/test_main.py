import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cmapss_rul import __version__, cli
from cmapss_rul.cli import main
from cmapss_rul.system.errors import DataError
from cmapss_rul.system.signals import STOPPED

COMMANDS = [
    "quickstart",
    "download-data",
    "simulate",
    "train",
    "evaluate",
    "calibrate",
    "check",
    "predict",
    "export",
    "compare",
    "report",
    "bench",
    "runs",
    "config",
]
RUL = [sys.executable, "-c", "from cmapss_rul.cli import main; main()"]


def in_a_process(*arguments, **options):
    return subprocess.run([*RUL, *arguments], capture_output=True, text=True, **options)


def test_without_arguments_it_prints_the_first_steps(rul):
    code, out, err = rul()
    assert (code, err) == (0, "")
    for command in (
        "rul quickstart",
        "rul download-data",
        "rul train --config fd001",
        "rul evaluate",
        "demo",
    ):
        assert command in out
    assert len(out.splitlines()) < 15


def test_help_describes_every_command_in_a_line(rul):
    code, out, err = rul("--help")
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z].*[a-z]\.$", out, re.MULTILINE), command
    assert "\n    rul train --config fd001\n" in out


@pytest.mark.parametrize(
    "command",
    [*COMMANDS, "config show", "config validate", "config new", "config list"],
)
def test_the_help_of_each_command_shows_an_example(rul, command):
    code, out, err = rul(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert f"\n    rul {command}" in out
    assert rul(*command.split(), "-h")[1] == out


def every_command(group, words=()):
    """Arguments of each command and group, taken from the program itself."""
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from every_command(command, (*words, name))


def test_every_help_shows_an_example(rul):
    found = list(every_command(typer.main.get_command(cli.app)))
    assert ("config",) in found
    assert ("config", "new") in found
    assert {words[0] for words in found if words} == set(COMMANDS)
    for words in found:
        code, out, err = rul(*words, "--help")
        assert (code, err) == (0, "")
        assert re.search(r"^  Examples?:\n    .*rul ", out, re.MULTILINE), words


@pytest.mark.parametrize(
    "command",
    [
        "download-data", "simulate", "evaluate", "calibrate", "predict", "export", "compare",
        "runs", "config list",
    ],
)  # fmt: skip
def test_every_printed_result_is_available_as_json(rul, command):
    assert re.search(r"^  --json  ", rul(*command.split(), "--help")[1], re.MULTILINE)


def test_version_names_package_torch_and_python(rul):
    code, out, err = rul("--version")
    assert (code, err) == (0, "")
    python = ".".join(map(str, sys.version_info[:3]))
    assert re.fullmatch(rf"cmapss_rul {__version__}, torch \d\S+, Python {python}\n", out)


@pytest.mark.parametrize(
    "arguments", [[], ["--version"], *[[*v.split(), "--help"] for v in ["", *COMMANDS]]]
)
def test_nothing_slow_is_imported_for_help(arguments):
    script = (
        "import sys, json\n"
        "from cmapss_rul.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    slow = {"torch", "pandas", "numpy", "httpx", "rich", "yaml", "cmapss_rul.training"}
    assert slow & set(json.loads(done.stderr)) == set()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'? See 'rul --help'"),
        (
            ["zzz"],
            f"No such command 'zzz', expected one of {', '.join(sorted(COMMANDS))}; "
            "see 'rul --help'",
        ),
        (
            ["config", "shwo"],
            "No such command 'shwo'. Did you mean 'show'? See 'rul config --help'",
        ),
        (
            ["config"],
            "Missing command, expected one of list, new, show, validate; see 'rul config --help'",
        ),
        (
            ["train", "--confg", "x"],
            "No such option: --confg (Possible options: --config); see 'rul train --help'",
        ),
        (
            ["simulate", "--outpt", "x"],
            "No such option: --outpt (Possible options: --output); see 'rul simulate --help'",
        ),
        (
            ["export", "x", "--format", "onxx"],
            "Invalid value for '--format': 'onxx' is not one of 'onnx', 'torch-export'; "
            "see 'rul export --help'",
        ),
        (["--zzz"], "No such option: --zzz; see 'rul --help'"),
        (["config", "show"], "Missing argument 'NAME-OR-PATH'; see 'rul config show --help'"),
        (["config", "show", "x", "--set"], "Option '--set' requires an argument"),
        (
            ["config", "list", "extra"],
            "Got unexpected extra argument(s) (extra); see 'rul config list --help'",
        ),
        (["\x1b[31m"], None),
        (["--\x1b[31m"], None),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line_and_exit_2(rul, arguments, line):
    code, out, err = rul(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("rul: error: ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    if line is not None:
        assert err == f"rul: error: {line}\n"


@pytest.fixture
def command(monkeypatch):
    """A function that replaces the command that `main` runs."""

    def replace(action):
        app = typer.Typer(cls=cli.Commands, rich_markup_mode=None)
        app.command()(action)
        app.callback()(lambda: None)
        monkeypatch.setattr(cli, "app", app)

    return replace


def test_a_user_error_is_one_line(rul, command):
    def fail():
        raise DataError("FD001: row 3 [bold]is[/bold] cut")

    command(fail)
    assert rul("fail") == (1, "", "rul: error: FD001: row 3 [bold]is[/bold] cut\n")


def test_a_defect_keeps_its_traceback(command):
    def fail():
        raise ValueError("a defect")

    command(fail)
    with pytest.raises(ValueError, match="a defect"):
        main(["fail"])


@pytest.mark.parametrize("code", [0, 1, 130, 143])
def test_a_command_may_choose_its_exit_code(rul, command, code):
    def leave():
        raise typer.Exit(code)

    command(leave)
    assert rul("leave") == (code, "", "")


def test_an_interrupt_ends_with_130(rul, command):
    def wait():
        raise KeyboardInterrupt

    command(wait)
    assert rul("wait") == (130, "", f"rul: interrupted; {STOPPED}\n")


def test_a_signal_from_the_keyboard_ends_with_130():
    script = (
        "import signal, time\n"
        "from cmapss_rul.cli import app, main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job
        "@app.command()\n"
        "def wait():\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "main(['wait'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, f"rul: interrupted; {STOPPED}\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*RUL, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "rul: error: No space left on device\n")


def test_a_closed_pipe_is_not_an_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*RUL, "--help"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_limited_encoding_stops_no_command():
    script = (
        "from cmapss_rul.cli import app, main\n"
        "@app.command()\n"
        "def arrow():\n    print('a → b')\n"
        "main(['arrow'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "a \\u2192 b\n", "")


def test_the_process_exits_with_the_code():
    assert in_a_process().returncode == 0
    assert in_a_process("zzz").returncode == 2
