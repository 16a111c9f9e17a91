"""Simulated censored fleets: truncated whole records, with the truth in a separate file."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cmapss_rul.cli import app
from cmapss_rul.data.degradation import failure_records
from cmapss_rul.data.simulate import Parameters
from cmapss_rul.data.simulate_censored import FLEET, TRUTH, censored_rows, simulate_censored
from cmapss_rul.data.verification import provenance
from cmapss_rul.system.errors import DataError, UsageError


def test_records_are_those_of_the_whole_fleet_cut_before_the_failure(tmp_path):
    parameters = Parameters(engines=20, seed=3)
    assert simulate_censored(tmp_path, parameters, 0.6).written == (FLEET, TRUTH)
    fleet, truth = (pd.read_csv(tmp_path / name) for name in (FLEET, TRUTH))
    whole = np.concatenate([*failure_records(3, 20, 1, 1)])
    life = np.bincount(whole[:, 0].astype(int))[1:]
    seen = fleet.groupby("unit")["cycle"].agg(["count", "max"])
    assert (seen["count"] == seen["max"]).all()
    assert (seen["max"].to_numpy() + truth["rul_at_end"] == life).all()
    assert (truth["rul_at_end"] == 0).sum() == truth["failed"].sum() == 8
    assert (seen["max"] >= 20).all()
    assert (fleet.groupby("unit")["failed"].nunique() == 1).all()
    assert (fleet.groupby("unit")["failed"].first().to_numpy() == truth["failed"]).all()
    rows = fleet.set_index(["unit", "cycle"]).loc[7]["sensor_11"].to_numpy()
    assert rows == pytest.approx(whole[whole[:, 0] == 7][: len(rows), 1 + 3 + 11], abs=0.006)


def test_none_censored_are_the_whole_records():
    rows, rul = censored_rows(Parameters(engines=3), 0)
    assert (rows[:, -1] == 1).all()
    assert (rul == 0).all()
    assert len(rows) == sum(map(len, failure_records(0, 3, 1, 1)))


def test_files_are_marked_and_never_replaced(tmp_path):
    words = ["simulate", "--output", str(tmp_path), "--engines", "6", "--censored", "0.5"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert "a fleet of which 50% have not failed, 6 engines" in result.stdout
    assert provenance(tmp_path / FLEET).simulated
    shown = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert {file["written"] for file in shown["files"]} == {False}
    with pytest.raises(DataError, match="exists with another content"):
        simulate_censored(tmp_path, Parameters(engines=6), 0.3)


@pytest.mark.parametrize(("engines", "share"), [(5, 1.0), (5, -0.1), (10_001, 0.5)])
def test_what_is_out_of_range_is_refused(tmp_path, engines, share):
    with pytest.raises(UsageError, match=r"found .*, expected"):
        simulate_censored(tmp_path / "s", Parameters(engines=engines), share)
    assert not (tmp_path / "s").exists()
