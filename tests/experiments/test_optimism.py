"""Optimism of the oracle and of the leak, by hand."""

import pytest
from scipy import stats

from cmapss_rul.experiments.optimism import leak_optimism, oracle_optimism
from tests.experiments.inputs import grid, result, results


def with_oracle(best, **options):
    """Results of 12 cycles whose best test epoch is lower by `best[label][seed]`."""
    made = grid(oracle=True, **options)
    return [
        result(
            run,
            12.0,
            oracle={1: 15.0, 2: 12.0 - best[run.cell.label][made.seeds.index(run.seed)]},
        )
        for run in made.runs
    ]


def test_each_seed_counts_once_by_the_mean_over_its_cells():
    found = with_oracle({"fixed": [0.0, 1.0, 2.0], "amnl": [1.0, 1.0, 1.0]}, seeds=(0, 1, 2))
    (entry,) = oracle_optimism(found)
    means = [0.5, 1.0, 1.5]
    expected = stats.ttest_1samp(means, 0).confidence_interval()
    assert (entry.subset, entry.n_seeds, entry.n_cells) == ("FD001", 3, 2)
    assert entry.optimism.mean == pytest.approx(1.0)
    assert entry.optimism.interval == pytest.approx(tuple(expected))
    assert entry.mark == "oracle: chosen on the test set"
    assert entry.sentence == (
        "FD001: optimism of the best test epoch: 1.00 cycles, 95 % interval -0.24 to 2.24 over 3 "
        "seeds (oracle: chosen on the test set)."
    )


def test_subsets_are_separate():
    made = grid("fd001", "fd003", balancers=["fixed"], oracle=True)
    found = [result(run, 12.0, oracle={1: 11.0 + run.seed}) for run in made.runs]
    assert [entry.subset for entry in oracle_optimism(found)] == ["FD001", "FD003"]


def test_cells_missing_for_a_seed_are_ignored():
    found = with_oracle({"fixed": [1.0, 2.0], "amnl": [5.0, 5.0]})
    (entry,) = oracle_optimism(found[:-1])
    assert (entry.n_cells, entry.optimism.mean) == (1, pytest.approx(1.5))


def test_one_seed_has_no_interval_with_a_note():
    (entry,) = oracle_optimism(with_oracle({"fixed": [1.0]}, balancers=["fixed"], seeds=(0,)))
    assert entry.optimism.interval is None
    assert "1.00 cycles; one seed, no interval" in entry.sentence


def test_seeds_without_a_common_cell_give_no_result():
    found = with_oracle({"fixed": [1.0, 2.0], "amnl": [5.0, 5.0]})
    (entry,) = oracle_optimism([found[0], found[3]])
    assert entry.optimism is None
    assert "unknown" in entry.sentence


def test_without_the_oracle_there_is_no_optimism():
    made = grid()
    assert oracle_optimism(results(made, {"fixed": [1, 1], "amnl": [1, 1]})) == []


def test_a_leak_does_not_enter_the_oracles_optimism():
    made = grid(
        balancers=["fixed"], axes={"split.by": ["engines", "windows"]}, oracle=True, seeds=(0,)
    )
    found = [
        result(run, 12.0, oracle={1: 12.0 if "engines" in run.cell.label else 0.0})
        for run in made.runs
    ]
    assert oracle_optimism(found)[0].optimism.mean == 0


def test_the_leaks_optimism_by_hand():
    """Split by windows 14 − 9 and 15 − 9; by engines 14 − 13 and 15 − 13.5: 4 and 4.5 more."""
    made = grid(balancers=["amnl"], axes={"split.by": ["engines", "windows"]})
    found = [
        result(
            run,
            12.0,
            every=14.0 + run.seed,
            val=9.0 if "windows" in run.cell.label else 13.0 + run.seed / 2,
        )
        for run in made.runs
    ]
    (entry,) = leak_optimism(found)
    assert (entry.config, entry.subset, entry.cell) == ("fd001", "FD001", "amnl")
    assert entry.gap_windows.mean == 5.5
    assert entry.gap_engines.mean == 1.25
    assert entry.optimism.mean == 4.25
    half = 12.7062 * 0.25  # t(1) at 97.5 %, sd 0.35355, two seeds
    assert entry.optimism.interval == pytest.approx((4.25 - half, 4.25 + half), abs=1e-4)
    assert entry.mark.startswith("a leak")
    assert entry.sentence.startswith(
        "fd001, amnl: optimism of a split by windows: 4.25 cycles, 95 % interval 1.07 to 7.43"
    )


def test_a_rounded_zero_has_no_sign():
    """A mean of −0.001 cycles is printed as 0.00, without a sign."""
    found = with_oracle({"fixed": [-0.001, 0.0]}, balancers=["fixed"])
    (entry,) = oracle_optimism(found)
    assert "epoch: 0.00 cycles, 95 % interval -0.01 to 0.01 over 2 seeds" in entry.sentence


def test_only_cells_that_differ_just_in_the_split_are_paired():
    axes = {"split.by": ["engines", "windows"], "train.epochs": [2, 3]}
    made = grid(balancers=["fixed", "amnl"], axes=axes, seeds=(0,))
    found = [result(run, 12.0) for run in made.runs]
    assert {entry.cell for entry in leak_optimism(found)} == {
        f"{name} train.epochs={epochs}" for name in ("fixed", "amnl") for epochs in (2, 3)
    }
    alone = [r for r in found if "windows" in r.run.cell.label]
    assert leak_optimism(alone) == []
