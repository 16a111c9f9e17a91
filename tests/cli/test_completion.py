"""Shell completion, by the environment variables that the shell's script sets."""

import json
import os
import subprocess
import sys

import pytest

from cmapss_rul.cli.options import (
    complete_balancers,
    complete_config,
    complete_resume,
    complete_run,
)
from cmapss_rul.config.schema import choices
from cmapss_rul.config.shipped import shipped_configs
from cmapss_rul.training.config import RunConfig


def completed(words, folder, python=()):
    """The completions of the last word."""
    settings = {
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "_RUL_COMPLETE": "complete_bash",
    }
    done = subprocess.run(
        [sys.executable, *(python or ("-m", "cmapss_rul"))],
        env={**os.environ, **settings},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split(), done.stderr


@pytest.fixture
def folder(tmp_path):
    """A folder with two runs, one of them with escape sequences in its name."""
    for name in ("fd001-s0", "demo-s0", "\x1b[31m"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "notes.txt").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rul ca", ["calibrate"]),
        ("rul config v", ["validate"]),
        ("rul train --se", ["--set", "--seed"]),
        ("rul train --config fd001", ["fd001", "fd001-auxiliary"]),
        ("rul train --logger t", ["tensorboard", "trackio"]),
        ("rul compare --logger csv,m", ["csv,mlflow"]),
        ("rul train --resume a", ["auto"]),
        ("rul train --resume runs/d", ["runs/demo-s0"]),
        ("rul config show gr", ["gradnorm"]),
        ("rul compare -c fd001,fd004,de", ["fd001,fd004,demo"]),
        ("rul compare --balancer fixed,amnl", ["fixed,amnl", "fixed,amnl_ema"]),
        ("rul evaluate ", ["runs/demo-s0", "runs/fd001-s0"]),
        ("rul calibrate runs/f", ["runs/fd001-s0"]),
        ("rul report runs/d", ["runs/demo-s0"]),
        ("rul predict runs/demo-s0 mi", []),  # bash then completes file names
        ("rul export --format o", ["onnx"]),
    ],
)
def test_completions(folder, words, expected):
    answers, errors = completed(words, folder)
    assert errors == ""
    assert sorted(answers) == sorted(expected)


def test_nothing_heavy_is_imported(folder):
    script = (
        "import sys, json\n"
        "sys.argv[:] = ['rul']\n"
        "from cmapss_rul.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    answers, modules = completed("rul compare --balancer gr", folder, ("-c", script))
    assert answers == ["gradnorm"]
    assert {"torch", "pandas", "numpy", "yaml", "rich"} & set(json.loads(modules)) == set()


def test_the_names_are_those_of_the_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = choices(RunConfig)["balancer.name"]
    assert sorted(complete_balancers("")) == sorted(choice.name for choice in known)
    assert complete_config("") == list(shipped_configs())
    assert complete_run("") == []
    assert complete_resume("") == ["auto"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_can_be_printed(shell):
    done = subprocess.run(
        [sys.executable, "-m", "cmapss_rul"],
        env={**os.environ, "_RUL_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_RUL_COMPLETE=complete_{shell}" in done.stdout
    assert done.stderr == ""
