"""`rul check`: table, JSON and exit code."""

import json

import numpy as np
import pytest

from cmapss_rul.cli import main
from tests.evaluation._models import config_for, write_checkpoint


def run(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(["check", *map(str, arguments)])
    return caught.value.code


def test_a_file_passes_and_a_shifted_one_exits_with_3(fleet_dir, tmp_path, capsys):
    checkpoint = write_checkpoint(tmp_path / "best.pt", config_for(fleet_dir))
    file = fleet_dir / "test_FD001.txt"
    assert run(checkpoint, file) == 0
    assert "Within all limits" in capsys.readouterr().out
    rows = np.loadtxt(file)
    rows[:, 5 + 3] += 10 * rows[:, 5 + 3].std()
    np.savetxt(tmp_path / "moved.txt", rows, fmt="%.6g")
    assert run(checkpoint, tmp_path / "moved.txt", "--json") == 3
    content = json.loads(capsys.readouterr().out)
    assert content["ok"] is False
    assert [part["column"] for part in content["distances"] if not part["ok"]] == ["sensor_4"]
    assert run(checkpoint, file, "--rul", fleet_dir / "RUL_FD001.txt") == 0
    assert "not known" in capsys.readouterr().out
