"""`rul bench`: output, files, and refusals before any measurement."""

import json

import pytest

from cmapss_rul.bench import run
from cmapss_rul.bench.scale import Point
from tests.bench.results import result


@pytest.fixture
def requested(monkeypatch):
    """The options that the benchmark was called with; it returns a synthetic result."""
    calls = []

    def pretend(subset, **options):
        options.pop("report")("a part")
        calls.append((subset, options))
        return result(subset=subset)

    monkeypatch.setattr(run, "bench", pretend)
    return calls


def test_table_and_json(rul, requested, tmp_path):
    path = tmp_path / "bench.json"
    code, out, err = rul("bench", "--subset", "fd004", "--quick", "--output", path)
    assert code == 0
    assert err == "measuring: a part\n"
    assert "step.ratio_to_usual_loop" in out
    assert json.loads(path.read_text()) == result(subset="FD004")
    options = {"splits": None, "seeds": 3, "data_dir": None, "device": "auto", "quick": True}
    assert requested == [("FD004", options)]


def test_json_alone_on_stdout(rul, requested, tmp_path):
    path = tmp_path / "bench.json"
    code, out, _ = rul("bench", "--json", "--output", path)
    assert (code, out) == (0, path.read_text())
    assert json.loads(out)["subset"] == "FD001"
    assert len(requested) == 1


@pytest.mark.parametrize(
    ("words", "text", "code"),
    [
        (["--subset", "FD005"], "subset 'FD005' is unknown", 2),
        (["--subset", "FD001,FD002"], "found several subsets, expected one", 2),
        (["--output", "."], "a folder of that name is in the way", 1),
        (["--scale", "--output", "a.png"], "found .png, the name of the plot", 2),
        (["--output", "file/b.json"], "cannot be written", 1),
    ],
)
def test_refused_before_anything_is_measured(
    rul, requested, tmp_path, monkeypatch, words, text, code
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    found, out, err = rul("bench", *words)
    assert (found, out, requested) == (code, "", [])
    assert text in err
    assert err.count("\n") == 1


def test_scale_saves_its_plot(rul, tmp_path, monkeypatch):
    point = Point(100, 30, False, 20_000, 0.5, 1e-6, base_mb=200.0, peak_mb=210.0)
    requested = []

    def pretend(folder, engines, report):
        report("one")
        requested.append((folder, engines))
        return [point]

    monkeypatch.setattr(run, "measure_scale", pretend)
    path = tmp_path / "scale.json"
    code, out, err = rul("bench", "--scale", "--quick", "--output", path)
    assert (code, err) == (0, "measuring: one\n")
    ((folder, engines),) = requested
    assert engines == (100, 300, 1000)
    assert not folder.exists()
    (found,) = json.loads(path.read_text())["points"]
    assert (found["microseconds_a_row"], found["bytes_a_row"]) == (25.0, 500.0)
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")
    assert "25.00" in out
    assert "scale.png" in out.replace("\n", "")


def test_splits_are_a_separate_measurement(rul, monkeypatch, tmp_path):
    called = {}

    def fake(subset, **options):
        called.update(subset=subset, splits=options["splits"], seeds=options["seeds"])
        side = {"seconds": 1.0, "epochs": 1, "reached": True, "best": 9.0}
        runs = [{"split": 0, "seed": 0, "ratio": 3.5, "usual_loop": side, "ours": side}]
        return result(accuracy={
            "ratio_to_usual_loop": 3.5, "quartiles": [3.5, 3.5], "splits": 1, "runs": runs,
            "never": {"usual_loop": 0, "ours": 0},
        })  # fmt: skip

    monkeypatch.setattr(run, "bench", fake)
    output = tmp_path / "splits.json"
    options = ["--splits", "5", "--seeds", "2", "--subset", "FD003"]
    code, out, _ = rul("bench", *options, "--output", output)
    assert code == 0
    assert called == {"subset": "FD003", "splits": 5, "seeds": 2}
    assert "median 3.50" in " ".join(out.split())
    assert json.loads(output.read_text())["accuracy"]["quartiles"] == [3.5, 3.5]


@pytest.mark.parametrize("other", ["--scale", "--quick"])
def test_splits_with_another_measurement_are_refused(rul, other, tmp_path):
    code, _, err = rul("bench", "--splits", "2", other, "--output", tmp_path / "x.json")
    assert code == 2
    assert f"--splits and {other}: cannot be combined; leave one out" in err
