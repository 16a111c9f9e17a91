import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cmapss_rul.data.split import SplitConfig
from cmapss_rul.system.errors import DataError
from tests.data._fleets import fleet_of

ENGINES = np.arange(1, 101)
seeds = st.integers(0, 2**63 - 1)


def validation(config=None, engines=ENGINES, seed=0):
    return (config or SplitConfig()).split_engines(engines, seed).validation.tolist()


@given(
    st.lists(st.integers(1, 10_000), min_size=2, max_size=60, unique=True),
    st.floats(0.001, 0.999),
    seeds,
)
def test_every_engine_is_on_one_side_and_neither_is_empty(numbers, share, seed):
    split = SplitConfig(validation=share).split_engines(np.array(sorted(numbers)), seed)
    training, validating = split.training.tolist(), split.validation.tolist()
    assert sorted(training + validating) == sorted(numbers)
    assert training == sorted(training)
    assert validating == sorted(validating)
    assert training
    assert validating
    assert abs(len(validating) - share * len(numbers)) <= 1


@given(
    st.lists(st.integers(1, 10_000), min_size=2, max_size=60, unique=True),
    st.integers(2, 9),
    seeds,
)
def test_each_engine_validates_in_one_fold_and_trains_in_the_others(numbers, folds, seed):
    engines = np.array(sorted(numbers))
    members = SplitConfig(folds=folds).members
    if len(engines) < folds:
        with pytest.raises(DataError, match=f"expected at least {folds}, one for each of"):
            members[0].split_engines(engines, seed)
        return
    parts = [member.split_engines(engines, seed) for member in members]
    assert sorted(np.concatenate([part.validation for part in parts])) == engines.tolist()
    sizes = [len(part.validation) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for part in parts:
        assert sorted([*part.training, *part.validation]) == engines.tolist()
        assert not len(part.calibration)


def test_folds_partition_one_permutation_by_the_split_seed():
    drawn = np.random.default_rng(3).permutation(ENGINES)
    split = SplitConfig(folds=5, fold=1, seed=3).split_engines(ENGINES, 0)
    assert split.validation.tolist() == sorted(drawn[20:40])
    again = SplitConfig(folds=5, fold=1).split_engines(ENGINES, 3)
    assert again.validation.tolist() == split.validation.tolist()
    assert again.training.tolist() == split.training.tolist()


def test_all_folds_together_train_and_validate_on_every_engine():
    split = SplitConfig(folds=5).split_engines(ENGINES, 0, np.array([101]))
    assert split.training.tolist() == split.validation.tolist() == list(range(1, 102))
    assert SplitConfig(folds=5).is_ensemble
    assert not SplitConfig(folds=5, fold=0).is_ensemble
    assert SplitConfig(folds=5, fold=0).members == SplitConfig().members == []


def test_censored_engines_are_distributed_over_folds_separately():
    censored = np.arange(101, 111)
    for member in SplitConfig(folds=5).members:
        alone, both = member.split_engines(ENGINES, 0), member.split_engines(ENGINES, 0, censored)
        assert [n for n in both.validation if n <= 100] == alone.validation.tolist()
        assert sum(n > 100 for n in both.validation) == 2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"fold": 0}, "should be below folds, found 0 and null"),
        ({"folds": 3, "fold": 3}, "should be below folds, found 3 and 3"),
        ({"folds": 3, "by": "windows"}, "folds are of whole engines, found split.by windows"),
        ({"folds": 3, "calibration": 0.2}, "so calibration has no effect; expected 0"),
        ({"folds": 3, "validation": 0.3}, "so validation has no effect; expected 0.2"),
        ({"folds": 3, "test_folds": 4}, "two cross-validations"),
        ({"folds": 1}, "greater than or equal to 2"),
    ],
)
def test_folds_contradict_other_splits(keys, message):
    with pytest.raises(ValidationError, match=message):
        SplitConfig(**keys)


def test_a_fifth_of_100_engines_is_20():
    assert len(validation()) == 20
    assert len(validation(SplitConfig(validation=0.01))) == 1


def test_null_takes_the_runs_seed():
    assert validation(seed=3) == validation(seed=3)
    assert validation(seed=3) != validation(seed=4)


def test_a_fixed_split_seed_fixes_the_split():
    held = SplitConfig(seed=7)
    assert validation(held, seed=3) == validation(held, seed=4) == validation(seed=7)


def test_splits_do_not_change_between_versions():
    """A metric belongs to its split, so the draw is pinned."""
    assert validation(engines=np.arange(1, 11), seed=0) == [5, 7]
    assert validation(seed=0)[:8] == [6, 9, 10, 11, 12, 14, 17, 21]


def test_the_order_of_the_engines_does_not_matter():
    assert validation(engines=ENGINES[::-1]) == validation()


def test_the_global_generators_are_neither_used_nor_moved():
    before = torch.get_rng_state()
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global one is what is watched
    first = validation()
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    torch.rand(3)
    np.random.rand(3)  # noqa: NPY002
    assert validation() == first


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_engines_are_refused(count):
    with pytest.raises(DataError, match=f"found {count} engine.* expected at least 2"):
        SplitConfig().split_engines(np.arange(1, count + 1), 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"validation": 0},
        {"validation": 1},
        {"by": "rows"},
        {"seed": -1},
        {"seed": 2**63},
        {"calibration": -0.1},
        {"calibration": 1},
        {"calibration": 0.8},
        {"calibration": 0.2, "by": "windows"},
    ],
)
def test_wrong_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        SplitConfig(**wrong)


# ---- calibration engines -------------------------------------------------------------------


@given(
    st.lists(st.integers(1, 10_000), min_size=3, max_size=60, unique=True),
    st.floats(0.01, 0.45),
    st.floats(0.01, 0.45),
    seeds,
)
def test_calibration_takes_engines_from_training_only(numbers, validates, calibrates, seed):
    numbers = np.array(sorted(numbers))
    plain = SplitConfig(validation=validates).split_engines(numbers, seed)
    config = SplitConfig(validation=validates, calibration=calibrates)
    split = config.split_engines(numbers, seed)
    sides = [side.tolist() for side in (split.training, split.validation, split.calibration)]
    assert sorted(number for side in sides for number in side) == numbers.tolist()
    assert all(side == sorted(side) and side for side in sides)
    assert sides[1] == plain.validation.tolist()
    assert set(sides[2]) < set(plain.training.tolist())
    assert abs(len(sides[2]) - calibrates * len(numbers)) <= 1


def test_no_engine_calibrates_by_default():
    assert SplitConfig().split_engines(ENGINES, 0).calibration.tolist() == []
    assert len(SplitConfig(calibration=0.2).split_engines(ENGINES, 0).calibration) == 20


def test_too_few_engines_to_calibrate_are_refused():
    config = SplitConfig(validation=0.5, calibration=0.2)
    with pytest.raises(DataError, match=r"found 2 engines .* none is left to calibrate"):
        config.split_engines(np.array([1, 2]), 0)


def test_refusals_state_the_expected_values():
    with pytest.raises(ValidationError, match=r"together take 1 of the engines; .* less than 1"):
        SplitConfig(validation=0.5, calibration=0.5)
    with pytest.raises(ValidationError, match=r"split\.by windows trains on each; expected 0"):
        SplitConfig(by="windows", calibration=0.2)


# ---- rows ----------------------------------------------------------------------------------


def rows(config, lives=(30, 20, 40, 25, 35), seed=0):
    fleet = fleet_of(*lives)
    split = config.split_engines(fleet.engines, seed)
    return fleet, split, config.split_rows(fleet, split, seed)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.floats(0.01, 0.99), seeds)
@pytest.mark.parametrize("by", ["engines", "windows"])
def test_every_row_is_on_one_side(by, lives, share, seed):
    fleet, _, sides = rows(SplitConfig(by=by, validation=share), lives, seed)
    both = np.concatenate(sides)
    assert sorted(both) == list(range(fleet.rows))
    assert len(sides.training)
    assert len(sides.validation)


def test_by_engines_no_engine_is_on_both_sides():
    fleet, split, sides = rows(SplitConfig())
    assert set(fleet.engine[sides.training]) == set(split.training)
    assert set(fleet.engine[sides.validation]) == set(split.validation)


def test_the_rows_of_engines_that_calibrate_are_on_no_other_side():
    fleet, split, sides = rows(SplitConfig(calibration=0.4))
    assert len(split.calibration) == 2
    assert set(fleet.engine[sides.calibration]) == set(split.calibration)
    assert sorted(np.concatenate(sides)) == list(range(fleet.rows))


def test_a_split_by_windows_has_engines_on_both_sides():
    fleet, split, sides = rows(SplitConfig(by="windows"))
    assert split.training.tolist() == split.validation.tolist() == fleet.engines.tolist()
    assert len(sides.validation) == round(0.2 * fleet.rows)
    assert set(fleet.engine[sides.validation]) == set(fleet.engine[sides.training])


def test_windows_are_drawn_by_the_seed():
    drawn = [rows(SplitConfig(by="windows"), seed=seed)[2].validation.tolist() for seed in (1, 2)]
    held = rows(SplitConfig(by="windows", seed=1), seed=2)[2].validation.tolist()
    assert drawn[0] != drawn[1]
    assert held == drawn[0]


def test_test_engines_are_held_out_first_with_a_separate_seed():
    rest, test = SplitConfig(test=0.3).hold_out_test(ENGINES)
    assert len(test) == 30
    assert sorted([*rest, *test]) == ENGINES.tolist()
    for other in (SplitConfig(test=0.3, seed=5), SplitConfig(test=0.3, validation=0.5)):
        assert other.hold_out_test(ENGINES)[1].tolist() == test.tolist()
    assert SplitConfig(test=0.3, test_seed=1).hold_out_test(ENGINES)[1].tolist() != test.tolist()


@given(st.integers(3, 40), st.floats(0.001, 0.999), seeds)
def test_some_engines_are_held_out_and_two_remain(count, share, seed):
    rest, test = SplitConfig(test=share, test_seed=seed).hold_out_test(np.arange(1, count + 1))
    assert len(test) >= 1
    assert len(rest) >= 2
    assert sorted([*rest, *test]) == list(range(1, count + 1))


def test_too_few_engines_to_hold_one_out():
    with pytest.raises(DataError, match=r"found 2 engines .* expected at least 3: one"):
        SplitConfig().hold_out_test(np.array([1, 2]))
    exact = SplitConfig(calibration=0.1)
    with pytest.raises(DataError, match=r"found 3 .* at least 4: .*, one to calibrate with, and"):
        exact.hold_out_test(np.arange(3))
    assert len(exact.hold_out_test(np.arange(4))[1]) == 1
    rest, test = SplitConfig(test=0).hold_out_test(np.array([2, 1]))
    assert (rest.tolist(), test.tolist()) == ([1, 2], [])


@given(st.lists(st.integers(2, 400), min_size=1, max_size=20), st.integers(1, 200), seeds)
def test_records_are_cut_between_one_window_and_the_failure(lives, window, seed):
    lives = np.array(lives)
    kept = SplitConfig(test_seed=seed).draw_cutoffs(lives, window)
    assert (kept >= np.minimum(window, lives - 1)).all()
    assert (kept <= lives - 1).all()


def test_cuts_are_uniform():
    kept = SplitConfig().draw_cutoffs(np.full(40_000, 14), 10)  # 10, 11, 12 or 13
    counts = np.bincount(kept, minlength=14)[10:]
    assert counts.sum() == 40_000
    assert (np.abs(counts - 10_000) < 400).all()


def test_cuts_depend_on_the_test_seed():
    lives = np.arange(100, 200)
    kept = SplitConfig().draw_cutoffs(lives, 30).tolist()
    assert SplitConfig(seed=9, test=0.5).draw_cutoffs(lives, 30).tolist() == kept
    assert SplitConfig(test_seed=1).draw_cutoffs(lives, 30).tolist() != kept


@pytest.mark.parametrize("censored", [[], [101, 102, 103, 104, 105, 106, 107]])
def test_every_engine_is_held_out_in_one_fold(censored):
    engines, censored = np.arange(1, 24), np.array(censored, dtype=np.int64)
    held_out = []
    for fold in range(5):
        split = SplitConfig(test_folds=5, test_fold=fold, test=0.5)
        rest, test = split.hold_out_test(engines, censored)
        assert sorted([*rest, *test]) == sorted([*engines, *censored])
        assert np.isin(test, engines).sum() in (4, 5)
        assert np.isin(test, censored).sum() in ((1, 2) if len(censored) else (0,))
        held_out += test.tolist()
    assert sorted(held_out) == sorted([*engines, *censored])
    with pytest.raises(DataError, match="expected at least 24 for 24 folds; use fewer split"):
        SplitConfig(test_folds=24).hold_out_test(engines, censored)


def test_a_fold_that_does_not_exist_is_refused():
    for keys in ({"test_fold": 1}, {"test_folds": 3, "test_fold": 3}):
        with pytest.raises(ValueError, match="test_fold counts from 0 and should be below test_f"):
            SplitConfig(**keys)
