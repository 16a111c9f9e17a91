"""`rul predict`, from the command line to its output and files."""

import io
import json
import re
import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from cmapss_rul.data.columns import COLUMNS, resolve_alias
from tests.cli._asserts import assert_fails


@pytest.fixture
def test_file(fleet_dir):
    return fleet_dir / "test_FD001.txt"


def test_only_the_csv_goes_to_stdout(rul, trained, test_file):
    code, out, err = rul("predict", trained, test_file)
    assert code == 0
    assert err.startswith("2 of 20 predictions with values outside the training range: ")
    table = pd.read_csv(io.StringIO(out))
    assert table["engine"].tolist() == list(range(1, 21))
    assert rul("predict", trained.parent, test_file)[1] == out  # the folder means its best.pt


def test_rul_equals_that_of_rul_evaluate(rul, trained, test_file, tmp_path):
    assert rul("evaluate", trained, "--output", tmp_path)[0] == 0
    expected = pd.read_csv(tmp_path / "predictions.csv")
    table = pd.read_csv(io.StringIO(rul("predict", trained, test_file)[1]))
    assert (table["rul"] - expected["predicted_rul"]).abs().max() < 6e-4  # three decimals


def test_full_precision_prints_all_digits(rul, trained, test_file):
    short = pd.read_csv(io.StringIO(rul("predict", trained, test_file)[1]))
    full = pd.read_csv(io.StringIO(rul("predict", trained, test_file, "--full-precision")[1]))
    assert (short["rul"] == full["rul"].round(3)).all()
    assert (short["rul"] != full["rul"]).any()


def test_a_terminal_gets_a_table(rul, trained, test_file, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, out, _ = rul("predict", trained, test_file)
    assert code == 0
    assert "no intervals: the run was not calibrated" in " ".join(out.split()).lower()
    assert out.count("run rul calibrate") == 1
    assert rul("predict", trained, test_file, "--full-precision")[1].startswith("engine,cycle,")


def test_output_receives_the_csv(rul, trained, test_file, tmp_path):
    target = tmp_path / "new" / "out.csv"
    code, out, _ = rul("predict", trained, test_file, "-o", target)
    assert (code, out) == (0, f"saved {target}: 20 predictions\n")
    assert target.read_text() == rul("predict", trained, test_file)[1]


@pytest.mark.parametrize("options", [(), ("--json",), ("-o", "rul.csv")])
def test_another_unit_is_detected(rul, trained, test_file, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    frame = pd.read_csv(test_file, sep=r"\s+", header=None, names=["unit", "cycle", *COLUMNS])
    frame.assign(sensor_2=(frame["sensor_2"] - 491.67) * 5 / 9).to_csv("in celsius.csv")
    code, out, err = rul("predict", trained, "in celsius.csv", *options)
    assert code == 0
    assert err.startswith("20 of 20 predictions with values outside the training range: sensor_2")
    assert f"rul check {trained} 'in celsius.csv'" in err
    assert "outside" not in out


def test_every_cycle_and_json(rul, trained, test_file):
    rows = len(test_file.read_text().splitlines())
    code, out, _ = rul("predict", trained, test_file, "--every-cycle", "--json")
    assert code == 0
    assert len(json.loads(out)["predictions"]) == rows


def test_standard_input(rul, trained, test_file, monkeypatch):
    expected = rul("predict", trained, test_file)[1]
    stream = SimpleNamespace(buffer=io.BytesIO(test_file.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert rul("predict", trained, "-")[1] == expected
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    assert "standard input: the file is empty" in assert_fails(rul("predict", trained, "-"))


def test_csv_and_parquet_give_equal_results(rul, trained, test_file, tmp_path):
    pytest.importorskip("pyarrow")
    names = ["engine", "time_cycles", *(name.replace("sensor_", "s") for name in COLUMNS)]
    frame = pd.read_csv(test_file, sep=r"\s+", header=None, names=names)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    expected = rul("predict", trained, test_file)[1]
    assert rul("predict", trained, tmp_path / "a.csv")[1] == expected
    assert rul("predict", trained, tmp_path / "a.parquet")[1] == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "", "the file is empty"),
        (lambda text: text + "1 1 0.5\n", "found 3 column(s), expected 26"),
        (lambda text: text + text.splitlines()[0], "of engine 1 twice"),
        (lambda text: text.replace("\n", "x\n", 1), "line 1: found"),
        (lambda text: "".join(text.splitlines(keepends=True)[:5:2]), "expected no gap"),
    ],
)
def test_wrong_input_is_one_line_and_nothing_is_written(
    rul, trained, test_file, tmp_path, change, message
):
    path, target = tmp_path / "in.txt", tmp_path / "out.csv"
    path.write_text(change(test_file.read_text()))
    line = assert_fails(rul("predict", trained, path, "-o", target))
    assert message in line
    assert str(path) in line
    assert not target.exists()


def test_gaps_may_be_allowed(rul, trained, test_file, tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("".join(test_file.read_text().splitlines(keepends=True)[:5:2]))
    code, out, _ = rul("predict", trained, path, "--allow-gaps")
    assert code == 0
    assert "the record lacks 2 cycles in between" in out


def test_a_level_without_intervals_is_refused(rul, trained, test_file):
    line = assert_fails(rul("predict", trained, test_file, "--level", "0.9"), code=2)
    assert "has no intervals" in line


def test_the_input_is_never_overwritten(rul, trained, test_file, tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(test_file.read_bytes())
    assert "is the input file" in assert_fails(rul("predict", trained, path, "-o", path), code=2)
    assert path.read_bytes() == test_file.read_bytes()


def test_an_unwritable_output(rul, trained, test_file, tmp_path):
    line = assert_fails(rul("predict", trained, test_file, "-o", tmp_path))
    assert f"{tmp_path}: cannot be written" in line


def test_missing_files(rul, trained, test_file, tmp_path):
    assert "no such checkpoint" in assert_fails(rul("predict", tmp_path / "x.pt", test_file))
    assert "cannot be read" in assert_fails(rul("predict", trained, tmp_path / "x.csv"))
    assert "expected one of auto, cpu" in assert_fails(
        rul("predict", trained, test_file, "--device", "tpu"), code=2
    )


def test_every_alias_in_the_help_is_accepted(rul):
    text = rul("predict", "--help")[1]
    table = text[text.index("    unit  ") : text.index("  Examples:")]
    symbols = table[table.index("symbols") :]
    for line in table[: table.index("    symbols")].strip().splitlines():
        name, *spellings = re.split(r"[\s,]+", line.strip())
        assert spellings
        assert {resolve_alias(spelling) for spelling in spellings} == {name}
    assert [resolve_alias(word) for word in re.split(r"[\s,]+", symbols.strip())[1:]] == [
        *COLUMNS[:1], "setting_2", "setting_3", *COLUMNS[3:],
    ]  # fmt: skip
