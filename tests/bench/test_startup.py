"""Startup time of whole commands and until the first training step."""

import pytest

from cmapss_rul.bench import startup as measured
from cmapss_rul.bench.startup import measure_startup, prepare_first_step, time_command
from cmapss_rul.system.errors import RulError


def test_a_command_is_timed():
    assert time_command("-c", "pass") > 0


def test_a_command_that_fails_is_reported_in_one_line():
    with pytest.raises(RulError) as raised:
        time_command("-c", "import sys; sys.exit('no\\nway')")
    assert str(raised.value) == (
        "python -c import sys; sys.exit('no\\nway') ended with exit code 1: no way"
    )


def test_training_ends_at_its_first_step(options):
    folder = options.folder / "first"
    assert prepare_first_step(options.fd001, folder)() > 0
    assert not (folder / "last.pt").exists()
    assert "epoch" not in (folder / "train.log").read_text().split("windows")[-1]


@pytest.mark.usefixtures("in_process")
def test_what_is_started(options, monkeypatch):
    commands = []
    monkeypatch.setattr(measured, "time_command", lambda *words: commands.append(words) or 2.0)
    found = measure_startup(options)
    first = commands[:3]
    assert first[0] == ("-c", "import torch")
    assert first[1] == ("-m", "cmapss_rul", "--help")
    assert first[2][:3] == ("-m", "cmapss_rul", "evaluate")
    assert (options.folder / "evaluated-run" / "best.pt").exists()
    assert found["startup.evaluate_ratio_to_import_torch"] == (1.0, 0.0)
    assert found["startup.help_seconds"] == (2.0, 0.0)
    assert found["startup.first_step_seconds"].median > 0
