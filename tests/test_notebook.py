"""The notebook: short, without outputs, and executed from its first cell to its last."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "notebooks/quickstart.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_it_is_short_and_holds_no_outputs():
    assert len(CELLS) == 15
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
def test_every_cell_runs_and_the_last_shows_the_report(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="needs pip install 'cmapss_rul[notebook]'")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    # the kernel warns at its start about debuggers and ports: it is another process
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=None, kernel_name="python3")
    client.execute(cwd=str(tmp_path))
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert "RMSE" in outputs[4][0]["text"]
    assert "simulated" in outputs[4][0]["text"]
    assert "image/png" in outputs[5][0]["data"]
    page = outputs[6][-1]["data"]["text/html"]
    assert page.startswith("<iframe srcdoc=")
    assert "remaining useful life on FD001" in page
    assert list(tmp_path.iterdir()) == []
