"""Statistics against hand-worked values and scipy; pairs and their findings."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cmapss_rul.experiments.statistics import (
    compare_pairs,
    correct_pairs,
    engine_interval,
    holm,
    mean_interval,
    mean_ranks,
    paired_test,
)
from cmapss_rul.experiments.summaries import CellSummary, Spread
from cmapss_rul.metrics.bootstrap import rmse_interval
from tests.experiments.inputs import grid, result, results

p_values = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12)


def test_the_t_interval_by_hand():
    """1, 2, 3, 4, 5: mean 3, sd √2.5, standard error √0.5; t(4) at 97.5 % is 2.776445."""
    found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.n, found.mean) == (5, 3.0)
    assert found.sd == pytest.approx(math.sqrt(2.5))
    assert found.t == pytest.approx(3 / math.sqrt(0.5))
    half = 2.776445 * math.sqrt(0.5)
    assert found.interval == pytest.approx((3 - half, 3 + half), abs=1e-6)


@given(st.lists(st.floats(-50, 50).map(lambda x: round(x, 3)), min_size=3, max_size=8),
       st.integers(0, 100))  # fmt: skip
def test_the_paired_test_equals_scipys(values, seed):
    noise = np.random.default_rng(seed).normal(size=len(values))
    other = [value + change for value, change in zip(values, noise, strict=True)]
    found = paired_test(dict(enumerate(values)), dict(enumerate(other)))
    expected = stats.ttest_rel(values, other)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.t == pytest.approx(expected.statistic)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_only_seeds_that_both_have_are_compared():
    found = paired_test({0: 5.0, 1: 7.0, 2: 100.0}, {1: 6.0, 0: 3.0, 9: 0.0})
    assert (found.n, found.mean) == (2, 1.5)


def test_too_few_values_give_no_test():
    assert mean_interval([]) is None
    assert paired_test({0: 1.0}, {1: 1.0}) is None
    one = mean_interval([2.0])
    assert (one.n, one.mean, one.sd, one.interval, one.t, one.p) == (1, 2, None, None, None, None)


def test_without_spread_there_is_no_test_and_no_warning():
    same = mean_interval([0.0, 0.0, 0.0])
    assert (same.sd, same.interval, same.t, same.p) == (0, (0, 0), None, 1)
    shifted = mean_interval([0.5, 0.5])
    assert (shifted.interval, shifted.p) == ((0.5, 0.5), None)


def test_rounding_errors_are_no_spread():
    """Differences of a constant shift in floating point; scipy would warn, which is an error."""
    found = mean_interval([0.1 + 0.2, 0.3, 0.3 + 1e-16])
    assert (found.sd, found.t, found.p) == (0, None, None)
    assert found.interval == pytest.approx((0.3, 0.3))
    assert mean_interval([0.3, 0.3 + 1e-9]).sd > 0


def test_holm_by_hand():
    """0.01 · 4; 0.02 · 3 = 0.06; 0.03 · 2 = 0.06; 0.5 · 1."""
    assert holm([0.5, 0.02, 0.01, 0.03]) == pytest.approx([0.5, 0.06, 0.04, 0.06])
    assert holm([0.04, 0.04]) == pytest.approx([0.08, 0.08])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_holm_ignores_missing_tests():
    assert holm([None, 0.01, None, 0.03]) == pytest.approx([None, 0.02, None, 0.03])


@given(p_values)
def test_holm_never_lowers_p_values_and_keeps_their_order(values):
    adjusted = holm(values)
    pairs = [(p, q) for p, q in zip(values, adjusted, strict=True) if p is not None]
    assert [q is None for q in adjusted] == [p is None for p in values]
    assert all(p <= q <= 1 for p, q in pairs)
    ordered = [q for _, q in sorted(pairs)]
    assert ordered == sorted(ordered)
    if pairs:  # Bonferroni is never smaller
        assert min(q for _, q in pairs) == pytest.approx(min(1, len(pairs) * min(pairs)[0]))


def test_the_interval_of_a_single_run_equals_that_of_its_evaluation():
    """One bootstrap with one set of draws: a run's interval and its cell's agree."""
    run = grid(balancers=["fixed"], seeds=(0,)).runs[0]
    errors = np.random.default_rng(3).normal(0, 10, size=60)
    engines = np.arange(1, 61)
    one = result(run, 1.0, errors=errors, engines=engines, true=np.zeros(60))
    assert engine_interval([one]) == rmse_interval(errors, np.zeros(60), engines)


def test_the_interval_of_a_cell_is_of_the_mean_over_its_seeds():
    """Seeds share the draws of engines: a second seed with twice the errors scales by 1.5."""
    runs = grid(balancers=["fixed"], seeds=(0, 1)).runs
    errors = np.random.default_rng(3).normal(0, 10, size=60)
    one, other = (
        result(run, 1.0, errors=errors * (1 + run.seed), engines=np.arange(60), true=np.zeros(60))
        for run in runs
    )
    low, high = engine_interval([one])
    assert engine_interval([one, other]) == pytest.approx((1.5 * low, 1.5 * high))


def test_equal_errors_have_an_interval_of_no_width():
    run = grid(balancers=["fixed"], seeds=(0,)).runs[0]
    assert engine_interval([result(run, 3.0)]) == pytest.approx((3, 3))


# ---- ranks ---------------------------------------------------------------------------------


def cells(rmse):
    """Cells with a mean RMSE and nothing else, from configuration → label → RMSE."""
    return [
        CellSummary.model_construct(
            config=config, label=label, leak=None, rmse=Spread(mean=mean, sd=1.0)
        )
        for config, of_config in rmse.items()
        for label, mean in of_config.items()
    ]


def test_ranks_with_ties_by_hand():
    rmse = {
        "fd001": {"a": 12.0, "b": 11.0, "c": 12.0},
        "fd003": {"a": 10.0, "b": 11.0, "c": 12.0},
    }
    found = mean_ranks(cells(rmse))
    assert found.labels == ["a", "b", "c"]
    assert found.ranks == [[2.5, 1.0, 2.5], [1.0, 2.0, 3.0]]
    assert found.mean == [1.75, 1.5, 2.75]
    assert 0 < found.friedman_p < 1


def test_the_critical_difference_is_demsars():
    """Demšar's table 5: q = 2.728 at 0.05 for five classifiers."""
    rmse = {f"d{i}": dict(zip("abcde", range(5), strict=True)) for i in range(4)}
    expected = 2.728 * math.sqrt(5 * 6 / (6 * 4))
    assert mean_ranks(cells(rmse)).critical_difference == pytest.approx(expected, abs=2e-3)


def test_one_configuration_has_ranks_and_no_test():
    found = mean_ranks(cells({"fd001": {"a": 1.0, "b": 2.0, "c": 3.0}}))
    assert found.mean == [1, 2, 3]
    assert (found.friedman_p, found.critical_difference) == (None, None)


def test_ties_everywhere_give_no_test():
    assert mean_ranks(cells({c: {"a": 1.0, "b": 1.0, "c": 1.0} for c in "xy"})).friedman_p is None


def test_only_cells_of_every_configuration_are_ranked():
    rmse = {"x": {"a": 1.0, "b": 2.0, "c": 0.0}, "y": {"b": 1.0, "a": 2.0}}
    assert mean_ranks(cells(rmse)).labels == ["a", "b"]
    assert mean_ranks(cells({"x": {"a": 1.0}, "y": {"b": 1.0}})) is None
    assert mean_ranks(cells({"x": {"a": 1.0}})) is None
    assert mean_ranks(cells({})) is None


def test_ranks_come_from_the_cells_means():
    rmse = {"fd001": {"a": 2.0, "b": 1.0}, "fd003": {"a": 3.0, "b": 4.0}}
    ranks = mean_ranks(cells(rmse))
    assert ranks.mean == [1.5, 1.5]
    assert ranks.configs == ["fd001", "fd003"]
    assert ranks.leaks == []
    rmse["fd001"]["a"] = None
    assert mean_ranks(cells(rmse)) is None


# ---- pairs ---------------------------------------------------------------------------------

SEEDS = (0, 1, 2, 3, 4)
A = [12.0, 12.5, 11.5, 12.2, 12.3]
B = [13.0, 13.6, 12.4, 13.3, 13.1]


def compare_cells(rmse, made=None, **changes):
    made = made or grid(balancers=list(rmse), seeds=SEEDS[: len(next(iter(rmse.values())))])
    found = results(made, rmse, **changes)
    by_label = {c.label: [r for r in found if r.run.cell == c] for c in made.cells}
    return correct_pairs(compare_pairs("fd001", by_label))


def test_a_difference_over_seeds_and_engines_is_significant():
    (pair,) = compare_cells({"fixed": A, "amnl": B})
    expected = stats.ttest_rel(A, B)
    assert (pair.config, pair.a, pair.b) == ("fd001", "fixed", "amnl")
    assert pair.paired_t.p == pytest.approx(expected.pvalue)
    assert pair.paired_t.interval == pytest.approx(tuple(expected.confidence_interval()))
    assert pair.p_holm == pair.paired_t.p
    assert pair.bootstrap.mean == pytest.approx(np.mean(A) - np.mean(B))
    assert pair.shown
    # differences -1.0, -1.1, -0.9, -1.1, -0.8: sd 0.1304, and 2.7764 · sd / √5 = 0.162
    assert pair.sentence == (
        "fd001: fixed has a lower RMSE than amnl (fixed − amnl: -0.98 cycles, 95 % interval -1.14 "
        "to -0.82 over 5 seeds, p < 0.001 after Holm; -0.98 to -0.98 over test engines)."
    )


def test_the_lower_one_is_named_first_whichever_it_is():
    (pair,) = compare_cells({"fixed": B, "amnl": A})
    assert "amnl has a lower RMSE than fixed (fixed − amnl: +0.98" in pair.sentence


def test_noise_shows_no_difference():
    (pair,) = compare_cells({"fixed": A, "amnl": A[::-1]})
    assert not pair.shown
    assert pair.sentence.startswith("fd001: no difference shown between fixed and amnl (")


def test_a_difference_that_depends_on_the_engines_is_not_significant():
    made = grid(seeds=SEEDS)
    found = results(made, {"fixed": A, "amnl": B})
    for place, one in enumerate(found):  # the difference is due to a single engine
        if one.run.cell.label == "amnl":
            errors = np.full(6, 11.0)
            errors[2] = np.sqrt(6 * one.rmse**2 - 5 * 11.0**2)
            found[place] = dataclasses.replace(one, errors=errors)
    by_label = {c.label: [r for r in found if r.run.cell == c] for c in made.cells}
    (pair,) = correct_pairs(compare_pairs("fd001", by_label))
    low, high = pair.bootstrap.interval
    assert low < 0 < high
    assert pair.p_holm < 0.05
    assert not pair.shown
    assert "no difference shown between fixed and amnl that holds over test engines" in (
        pair.sentence
    )


def test_the_level_is_five_per_cent():
    """Differences 0.1, 0.5, 0.4, 0.9, 0: t = 2.384, p = 0.0756; other engines change nothing."""
    other = [a + gap for a, gap in zip(A, [0.1, 0.5, 0.4, 0.9, 0.0], strict=True)]
    (pair,) = compare_cells({"fixed": A, "amnl": other})
    assert pair.p_holm == pytest.approx(0.0756, abs=1e-4)
    assert pair.bootstrap.interval == pytest.approx((-0.38, -0.38))
    assert pair.bootstrap.share_below_0 == 1.0
    assert not pair.shown
    assert "no difference shown between fixed and amnl (" in pair.sentence
    assert "p = 0.076 after Holm" in pair.sentence


def test_a_bootstrap_interval_that_ends_at_0_is_not_significant():
    (pair,) = compare_cells({"fixed": A, "amnl": B})
    bootstrap = pair.bootstrap.model_copy(update={"interval": (-1.0, 0.0)})
    (again,) = correct_pairs([pair.model_copy(update={"bootstrap": bootstrap})])
    assert not again.shown
    assert "no difference shown between fixed and amnl that holds over" in again.sentence


def test_runs_on_different_engines_are_refused():
    made = grid(seeds=(0, 1))
    one, other = (
        [result(run, 12.0 + run.seed) for run in made.runs if run.cell == cell]
        for cell in made.cells
    )
    other = [dataclasses.replace(r, engines=r.engines + 1) for r in other]
    (pair,) = correct_pairs(compare_pairs("fd001", {"fixed": one, "amnl": other}))
    assert "their test labels differ" in pair.sentence


def test_the_family_is_all_pairs_of_one_configuration():
    pairs = compare_cells({"fixed": A, "amnl": B, "uncertainty": [12.1, 12.4, 11.7, 12.0, 12.3]})
    assert [(p.a, p.b) for p in pairs] == [
        ("fixed", "amnl"), ("fixed", "uncertainty"), ("amnl", "uncertainty"),
    ]  # fmt: skip
    smallest = min(pairs, key=lambda pair: pair.paired_t.p)
    assert smallest.p_holm == pytest.approx(3 * smallest.paired_t.p)
    other = [pair.model_copy(update={"config": "fd003"}) for pair in pairs[:1]]
    again = correct_pairs([*pairs, *other])
    assert [p.p_holm for p in again[:3]] == [p.p_holm for p in pairs]
    assert again[3].p_holm == again[3].paired_t.p


def test_one_seed_gives_a_reason_instead_of_a_test():
    (pair,) = compare_cells({"fixed": A[:1], "amnl": B[:1]})
    assert pair.paired_t is None
    assert pair.p_holm is None
    assert pair.bootstrap.interval == pytest.approx((-1, -1))
    assert pair.sentence == (
        "fd001: no test between fixed and amnl: one seed only. Over test engines alone: -1.00 "
        "cycles, 95 % interval -1.00 to -1.00."
    )


def test_one_cell_has_no_pairs():
    assert compare_cells({"fixed": A}) == []


def test_equal_runs_are_no_difference():
    (pair,) = compare_cells({"fixed": A, "amnl": A})
    assert (pair.p_holm, pair.shown) == (1, False)


def test_only_seeds_finished_in_both_cells_are_compared():
    made = grid(seeds=(0, 1, 2))
    found = results(made, {"fixed": A[:3], "amnl": B[:3]})
    by_label = {c.label: [r for r in found if r.run.cell == c] for c in made.cells}
    by_label["amnl"] = by_label["amnl"][1:]
    (pair,) = correct_pairs(compare_pairs("fd001", by_label))
    assert pair.paired_t.n == 2
    by_label["amnl"] = []
    (pair,) = correct_pairs(compare_pairs("fd001", by_label))
    assert (pair.paired_t, pair.bootstrap, pair.p_holm) == (None, None, None)
    assert "no seed succeeded in both" in pair.sentence


def test_different_labels_are_refused():
    made = grid(seeds=(0, 1))
    one, other = (
        [result(run, 12.0 + run.seed) for run in made.runs if run.cell == cell]
        for cell in made.cells
    )
    other = [dataclasses.replace(r, true=np.minimum(r.true, 100)) for r in other]
    (pair,) = correct_pairs(compare_pairs("fd001", {"fixed": one, "amnl": other}))
    assert (pair.paired_t, pair.bootstrap) == (None, None)
    assert "no test between fixed and amnl: their test labels differ." in pair.sentence


def test_a_leak_is_marked():
    made = grid(balancers=["amnl"], axes={"split.by": ["engines", "windows"]}, seeds=SEEDS)
    labels = [cell.label for cell in made.cells]
    (pair,) = compare_cells({labels[0]: A, labels[1]: B}, made)
    assert pair.leak.startswith("a leak")
    assert pair.sentence.endswith("A split by windows is " + pair.leak + ".")


def test_one_engine_has_no_interval():
    made = grid(balancers=["fixed"], seeds=(0,))
    one = result(made.runs[0], 3.0)
    assert engine_interval([one]) == pytest.approx((3, 3))
    single = dataclasses.replace(one, engines=one.engines[:1], errors=one.errors[:1])
    assert engine_interval([single]) is None
    assert engine_interval([]) is None
