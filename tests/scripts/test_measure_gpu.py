"""scripts/measure-gpu on a CPU: parts end with a line each, and none stops the others."""

import json
import sys

import pytest

from scripts import measure_gpu
from scripts.gpu_parts import PARTS, ROOT, Setting
from scripts.measure_gpu import main


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_the_two_cheapest_parts_on_a_cpu(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    path = tmp_path / "gpu.jsonl"
    # many minutes, since a busy machine is no failure
    arguments = ["--device", "cpu", "--quick", "--parts", "synchronisations,resume"]
    arguments += ["--minutes", "900"]
    assert main([*arguments, "--output", str(path)]) == 0
    machine, steps, resume = lines(path)
    assert machine["result"]["cores"] >= 1
    assert steps["result"]["synchronisations"] is None  # no CUDA, nothing to count
    assert steps["result"]["steps"] == 2
    assert resume["result"] == {
        "stopped_after_epoch": 1, "bit_exact": True, "largest_difference": 0.0,
    }  # fmt: skip
    assert capsys.readouterr().out == path.read_text()


def test_a_part_that_fails_or_takes_too_long_leaves_the_others(tmp_path, monkeypatch):
    codes = {
        "tests": "print('note'); print('{\"a\": 1}')",
        "steps": "raise SystemExit('no such device')",
        "jobs": "import time; time.sleep(60)",
    }
    real = measure_gpu._measure

    def short(name, command, limit):
        assert command[:4] == [sys.executable, "-P", "-m", "scripts.measure_gpu"]
        return real(name, [sys.executable, "-c", codes[name]], min(limit, 5))

    monkeypatch.setattr(measure_gpu, "_measure", short)
    path = tmp_path / "gpu.jsonl"
    arguments = ["--device", "cpu", "--quick", "--parts", "jobs,steps,tests"]
    assert main([*arguments, "--output", str(path)]) == 1
    _, slow, failed, good = lines(path)
    assert (slow["part"], slow["ok"], slow["error"]) == ("jobs", False, "stopped after 5 s")
    assert (failed["part"], failed["ok"], failed["error"]) == ("steps", False, "no such device")
    assert (good["ok"], good["result"]) == (True, {"a": 1})


def test_when_the_time_is_up_the_rest_is_reported_as_missing(tmp_path):
    path = tmp_path / "gpu.jsonl"
    assert main(["--device", "cpu", "--minutes", "0", "--output", str(path)]) == 1
    assert [line["error"] for line in lines(path)[1:]] == ["no time left"] * len(PARTS)


def test_an_unknown_part_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--parts", "stepz", "--output", str(tmp_path / "x")])
    assert "unknown part stepz" in capsys.readouterr().err


def test_all_parts_fit_into_nine_minutes_but_for_the_last():
    assert sum(limit for _, limit in list(PARTS.values())[:-1]) <= 480
    assert Setting("cpu", ROOT, True).sizes.turns == 2
