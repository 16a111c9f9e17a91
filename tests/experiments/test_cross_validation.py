"""Cross-validation over test folds: one result over all engines."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from cmapss_rul.experiments.comparison import compare_results, cross_validations
from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.experiments.summaries import RunCuts
from tests.data._own import KEYS
from tests.experiments.inputs import TINY, result


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "mine.yaml"
    data = {**KEYS, "train": "my.csv"}
    plain = {**TINY, "data": data, "split": {"test_folds": 3},
             "loss": {"health": {"boundaries": [10, 4]}}}  # fmt: skip
    path.write_text(yaml.safe_dump(plain))
    return make_grid([str(path)], seeds=(0, 1), axes={"split.test_fold": ["0", "1", "2"]})


def errors_of(run):
    """Squared errors of engine a in fold 0, b and c in fold 1, and d, by seed, in fold 2."""
    fold = run.cell.resolved.split.test_fold
    return [{"a": 1.0}, {"b": 4.0, "c": 4.0}, {"d": 9.0 * (1 + run.seed)}][fold]


def results_of(grid):
    found = [result(run, 1.0) for run in grid.runs]
    cuts = [RunCuts(by_engine=errors_of(one.run)) for one in found]
    return [
        replace(one, evaluation=one.evaluation.model_copy(update={"cuts": its}))
        for one, its in zip(found, cuts, strict=True)
    ]


def test_each_engine_counts_once(grid):
    (text,) = cross_validations(results_of(grid))
    rmse = (np.sqrt((1 + 4 + 4 + 9) / 4) + np.sqrt((1 + 4 + 4 + 18) / 4)) / 2
    assert text.startswith(
        f"mine: cross-validation over 3 folds: RMSE {rmse:.2f} cycles (95 % interval over engines "
    )
    assert text.endswith(
        "at random cuts of 4 engines, each held out once, capped labels, mean of 2 seeds"
    )
    low, high = (float(text.split("engines ")[1].split(")")[0].split(" to ")[i]) for i in (0, 1))
    assert 1 <= low < rmse < high <= (3 + np.sqrt(18)) / 2


def test_a_seed_with_a_missing_fold_is_omitted(grid):
    found = results_of(grid)
    (text,) = cross_validations([one for one in found if one.run.seed == 0])
    assert "mean of" not in text
    (same,) = cross_validations(found[:-1])
    assert same == text
    assert list(cross_validations([found[0]])) == []


def test_folds_of_one_cross_validation_are_not_compared(grid):
    comparison = compare_results(grid, results_of(grid), {})
    assert comparison.pairs == []
    assert not any("no pair to compare" in note for note in comparison.notes)
