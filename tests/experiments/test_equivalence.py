"""Two one-sided tests: hand-worked values, and those of scipy's one-sided t tests."""

import numpy as np
import pytest
from scipy import stats

from cmapss_rul.experiments.results import (
    MARGIN,
    Equivalence,
    MeanInterval,
    Pair,
    equivalence_findings,
)
from cmapss_rul.experiments.statistics import correct_pairs, mean_interval
from cmapss_rul.experiments.table import findings
from tests.experiments.inputs import comparison, grid


def pair(a, b, differences, config="fd001"):
    return Pair(config=config, a=a, b=b, leak=None, paired_t=mean_interval(differences),
                bootstrap=None)  # fmt: skip


def test_the_margin_is_half_a_cycle():
    assert MARGIN == 0.5


def test_hand_worked():
    # mean 0.1, sd 0.2, n 4: se 0.1; the nearer bound is 0.4 away, t = 4 with 3 degrees of
    # freedom; t(0.95, 3) = 2.353363 from a table
    test = MeanInterval(n=4, mean=-0.1, sd=0.2, interval=None, t=None, p=None)
    found = Equivalence.of(test)
    # the distribution function of t with 3 degrees of freedom in closed form
    t = 4.0
    upper = 0.5 - (np.arctan(t / 3**0.5) + (t / 3**0.5) / (1 + t * t / 3)) / np.pi
    assert found.p == pytest.approx(upper, rel=1e-6)
    assert found.smallest_margin == pytest.approx(0.1 + 0.2353363, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("margin", [0.5, 0.1])
def test_agrees_with_two_one_sided_tests_of_scipy(seed, margin):
    differences = np.random.default_rng(seed).normal(0.2, 0.4, size=10)
    found = Equivalence.of(mean_interval(differences), margin)
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    assert found.p == pytest.approx(max(above, below))
    # at the smallest margin the larger of the two is 5 %, and the 90 % interval ends there
    smallest = found.smallest_margin
    above = stats.ttest_1samp(differences, -smallest, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, smallest, alternative="less").pvalue
    assert max(above, below) == pytest.approx(0.05)
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    assert max(map(abs, interval)) == pytest.approx(smallest)


def test_too_few_seeds_or_no_spread():
    assert Equivalence.of(None) is None
    assert Equivalence.of(mean_interval([0.1])) is None
    inside, outside = (Equivalence.of(mean_interval([value] * 3)) for value in (0.25, 0.75))
    assert (inside.p, inside.smallest_margin) == (0.0, 0.25)
    assert (outside.p, outside.smallest_margin) == (1.0, 0.75)


def test_equivalence_tests_are_corrected_as_a_separate_family():
    near, far = [0.0, 0.1, -0.1, 0.05], [2.0, 2.2, 1.9, 2.1]
    found = correct_pairs([pair("a", "b", near), pair("a", "c", far), pair("a", "d", [1.0])])
    tests = [entry.equivalence for entry in found]
    assert tests[0].p_holm == pytest.approx(2 * tests[0].p)  # two tests, the third has none
    assert tests[0].shown
    assert not tests[1].shown
    assert tests[2] is None


def test_the_findings_of_each_configuration():
    pairs = correct_pairs([
        pair("a", "b", [0.0, 0.1, -0.1, 0.05]),
        pair("a", "c", [2.0, 2.2, 1.9, 2.1]),
        pair("a", "b", [1.0, 3.0], config="fd003"),
    ])  # fmt: skip
    first, second = equivalence_findings(pairs)
    # mean 0.0125, sd 0.0853913, t(0.95, 3) = 2.353363; mean 2.05, sd 0.129099
    assert first == (
        "fd001: the same within ±0.5 cycles: a and b (0.11); not shown in 1 of 2 (two one-sided "
        "tests over seeds, after Holm; smallest margin of a pair at 5 %: 0.11 to 2.20 cycles)."
    )
    assert second == (
        "fd003: no pair shown to be the same within ±0.5 cycles (two one-sided tests over seeds, "
        "after Holm; smallest margin of a pair at 5 %: 8.31 cycles)."
    )


def test_many_equivalent_pairs_are_counted():
    same = [pair("a", f"b{number}", [0.0, 0.1, -0.1, 0.05]) for number in range(9)]
    (found,) = equivalence_findings(correct_pairs([*same, pair("a", "c", [2.0, 2.2, 1.9, 2.1])]))
    assert found.startswith("fd001: the same within ±0.5 cycles in 9 pairs; not shown in 1 of 10 (")


def test_a_comparison_has_the_test_in_its_json_and_its_findings():
    made = comparison(grid(), {"fixed": [12.0, 12.1], "amnl": [12.05, 12.15]})
    assert made.pairs[0].equivalence.margin == 0.5
    assert '"equivalence"' in made.as_json()
    assert any("±0.5 cycles" in line for line in findings(made))
    old = made.model_copy(update={"pairs": [
        Pair.model_validate({k: v for k, v in made.pairs[0].model_dump().items()
                             if k != "equivalence"})
    ]})  # fmt: skip
    assert "equivalence" not in old.as_json()
    assert not list(equivalence_findings(old.pairs))
