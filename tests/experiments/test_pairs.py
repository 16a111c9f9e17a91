"""Cells against each other, and the sentences that follow."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from cmapss_rul.experiments.pairs import engine_interval, finish, pairs_of, ranks_of
from tests.experiments.inputs import grid, result, results

SEEDS = (0, 1, 2, 3, 4)
A = [12.0, 12.5, 11.5, 12.2, 12.3]
B = [13.0, 13.6, 12.4, 13.3, 13.1]


def compared(figures, made=None, **changes):
    made = made or grid(balancers=list(figures), seeds=SEEDS[: len(next(iter(figures.values())))])
    found = results(made, figures, **changes)
    by_label = {c.label: [r for r in found if r.run.cell == c] for c in made.cells}
    return finish(pairs_of("fd001", by_label))


def test_a_difference_over_seeds_and_engines_is_shown():
    (pair,) = compared({"fixed": A, "amnl": B})
    wanted = stats.ttest_rel(A, B)
    assert (pair["config"], pair["a"], pair["b"]) == ("fd001", "fixed", "amnl")
    assert pair["paired_t"]["p"] == pytest.approx(wanted.pvalue)
    assert pair["paired_t"]["interval"] == pytest.approx(tuple(wanted.confidence_interval()))
    assert pair["p_holm"] == pair["paired_t"]["p"]
    assert pair["bootstrap"]["mean"] == pytest.approx(np.mean(A) - np.mean(B))
    assert pair["shown"]
    # differences -1.0, -1.1, -0.9, -1.1, -0.8: sd 0.1304, and 2.7764 · sd / √5 = 0.162
    assert pair["sentence"] == (
        "fd001: fixed has a lower RMSE than amnl (fixed − amnl: -0.98 cycles, 95 % interval -1.14 "
        "to -0.82 over 5 seeds, p < 0.001 after Holm; -0.98 to -0.98 over test engines)."
    )


def test_the_lower_one_is_named_first_whichever_it_is():
    (pair,) = compared({"fixed": B, "amnl": A})
    assert "amnl has a lower RMSE than fixed (fixed − amnl: +0.98" in pair["sentence"]


def test_noise_shows_no_difference():
    (pair,) = compared({"fixed": A, "amnl": A[::-1]})
    assert not pair["shown"]
    assert pair["sentence"].startswith("fd001: no difference shown between fixed and amnl (")


def test_a_difference_that_other_engines_could_turn_is_not_shown():
    made = grid(seeds=SEEDS)
    found = results(made, {"fixed": A, "amnl": B})
    for place, one in enumerate(found):  # one engine alone makes the difference
        if one.run.cell.label == "amnl":
            errors = np.full(6, 11.0)
            errors[2] = np.sqrt(6 * one.rmse**2 - 5 * 11.0**2)
            found[place] = dataclasses.replace(one, errors=errors)
    by_label = {c.label: [r for r in found if r.run.cell == c] for c in made.cells}
    (pair,) = finish(pairs_of("fd001", by_label))
    low, high = pair["bootstrap"]["interval"]
    assert low < 0 < high
    assert pair["p_holm"] < 0.05
    assert not pair["shown"]
    assert (
        "no difference shown between fixed and amnl that holds over test engines"
        in (pair["sentence"])
    )


def test_the_level_is_five_per_cent():
    """Differences 0.1, 0.5, 0.4, 0.9, 0: t = 2.384, p = 0.0756; other engines change nothing."""
    other = [a + gap for a, gap in zip(A, [0.1, 0.5, 0.4, 0.9, 0.0], strict=True)]
    (pair,) = compared({"fixed": A, "amnl": other})
    assert pair["p_holm"] == pytest.approx(0.0756, abs=1e-4)
    assert pair["bootstrap"]["interval"] == pytest.approx((-0.38, -0.38))
    assert pair["bootstrap"]["share_below_0"] == 1.0
    assert not pair["shown"]
    assert "no difference shown between fixed and amnl (" in pair["sentence"]
    assert "p = 0.076 after Holm" in pair["sentence"]


def test_a_bootstrap_interval_that_ends_at_0_shows_nothing():
    (pair,) = compared({"fixed": A, "amnl": B})
    pair["bootstrap"] |= {"interval": (-1.0, 0.0)}
    (again,) = finish([pair])
    assert not again["shown"]
    assert "no difference shown between fixed and amnl that holds over" in again["sentence"]


def test_other_engines_cannot_be_compared_either():
    made = grid(seeds=(0, 1))
    one, other = (
        [result(run, 12.0 + run.seed) for run in made.runs if run.cell == cell]
        for cell in made.cells
    )
    other = [dataclasses.replace(r, engines=r.engines + 1) for r in other]
    (pair,) = finish(pairs_of("fd001", {"fixed": one, "amnl": other}))
    assert "their test labels differ" in pair["sentence"]


def test_the_family_is_all_pairs_of_one_configuration():
    pairs = compared({"fixed": A, "amnl": B, "uncertainty": [12.1, 12.4, 11.7, 12.0, 12.3]})
    assert [(p["a"], p["b"]) for p in pairs] == [
        ("fixed", "amnl"), ("fixed", "uncertainty"), ("amnl", "uncertainty"),
    ]  # fmt: skip
    smallest = min(pairs, key=lambda pair: pair["paired_t"]["p"])
    assert smallest["p_holm"] == pytest.approx(3 * smallest["paired_t"]["p"])
    other = [{**pair, "config": "fd003"} for pair in pairs[:1]]
    again = finish([*pairs, *other])
    assert [p["p_holm"] for p in again[:3]] == [p["p_holm"] for p in pairs]
    assert again[3]["p_holm"] == again[3]["paired_t"]["p"]


def test_one_seed_gives_no_test_over_seeds_and_says_so():
    (pair,) = compared({"fixed": A[:1], "amnl": B[:1]})
    assert pair["paired_t"] is None
    assert pair["p_holm"] is None
    assert pair["bootstrap"]["interval"] == pytest.approx((-1, -1))
    assert pair["sentence"] == (
        "fd001: no test between fixed and amnl: one seed only. Over test engines alone: -1.00 "
        "cycles, 95 % interval -1.00 to -1.00."
    )


def test_one_cell_has_no_pairs():
    assert compared({"fixed": A}) == []


def test_equal_runs_are_no_difference():
    (pair,) = compared({"fixed": A, "amnl": A})
    assert (pair["p_holm"], pair["shown"]) == (1, False)


def test_only_seeds_that_ended_well_in_both_count():
    made = grid(seeds=(0, 1, 2))
    found = results(made, {"fixed": A[:3], "amnl": B[:3]})
    by_label = {c.label: [r for r in found if r.run.cell == c] for c in made.cells}
    by_label["amnl"] = by_label["amnl"][1:]
    (pair,) = finish(pairs_of("fd001", by_label))
    assert pair["paired_t"]["n"] == 2
    by_label["amnl"] = []
    (pair,) = finish(pairs_of("fd001", by_label))
    assert (pair["paired_t"], pair["bootstrap"], pair["p_holm"]) == (None, None, None)
    assert "no seed ended well in both" in pair["sentence"]


def test_other_labels_cannot_be_compared():
    made = grid(seeds=(0, 1))
    one, other = (
        [result(run, 12.0 + run.seed) for run in made.runs if run.cell == cell]
        for cell in made.cells
    )
    other = [dataclasses.replace(r, true=np.minimum(r.true, 100)) for r in other]
    (pair,) = finish(pairs_of("fd001", {"fixed": one, "amnl": other}))
    assert (pair["paired_t"], pair["bootstrap"]) == (None, None)
    assert "no test between fixed and amnl: their test labels differ." in pair["sentence"]


def test_a_leak_is_marked():
    made = grid(balancers=["amnl"], axes={"split.by": ["engines", "windows"]}, seeds=SEEDS)
    labels = [cell.label for cell in made.cells]
    (pair,) = compared({labels[0]: A, labels[1]: B}, made)
    assert pair["leak"].startswith("a leak")
    assert pair["sentence"].endswith("A split by windows is " + pair["leak"] + ".")


def test_one_engine_has_no_interval():
    made = grid(balancers=["fixed"], seeds=(0,))
    one = result(made.runs[0], 3.0)
    assert engine_interval([one]) == pytest.approx((3, 3))
    single = dataclasses.replace(one, engines=one.engines[:1], errors=one.errors[:1])
    assert engine_interval([single]) is None
    assert engine_interval([]) is None


def test_ranks_come_from_the_cells_means():
    cells = [
        {"config": config, "label": label, "leak": None, "rmse": {"mean": mean, "sd": 1.0}}
        for config, label, mean in [
            ("fd001", "a", 2.0), ("fd001", "b", 1.0), ("fd003", "a", 3.0), ("fd003", "b", 4.0),
        ]
    ]  # fmt: skip
    ranks = ranks_of(cells)
    assert ranks["mean"] == [1.5, 1.5]
    assert ranks["configs"] == ["fd001", "fd003"]
    assert ranks["leaks"] == []
    cells[0]["rmse"]["mean"] = None
    assert ranks_of(cells) is None
