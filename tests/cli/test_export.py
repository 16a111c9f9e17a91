"""`rul export`, from the command line to the file."""

import json

import pytest


def test_onnx_is_the_default(rul, run_folder):
    pytest.importorskip("onnxruntime")
    code, out, err = rul("export", run_folder)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith("parity with the Python model over 20 test engines: RUL within ")
    assert second == f"saved {run_folder / 'model.onnx'}"
    assert (run_folder / "model.onnx").is_file()


def test_torch_export_with_output_and_json(rul, run_folder, tmp_path):
    target = tmp_path / "new" / "engine.pt2"
    code, out, err = rul(
        "export", run_folder / "best.pt", "--format", "torch-export", "--output", target, "--json"
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["file"] == str(target)
    assert list(found["parity"]) == ["engines", "rul", "health", "interval"]
    assert found["parity"]["rul"] < 0.05
    assert target.is_file()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--format", "onxx"], 2, "'onxx' is not one of 'onnx', 'torch-export'"),
        (["--data", "nowhere"], 1, "test_FD001.txt"),
    ],
)
def test_errors_are_one_line(rul, run_folder, tmp_path, monkeypatch, words, code, message):
    monkeypatch.chdir(tmp_path)
    found, out, err = rul("export", run_folder, *words)
    assert (found, out) == (code, "")
    assert err.startswith("rul: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert [path.name for path in run_folder.iterdir()] == ["best.pt"]
