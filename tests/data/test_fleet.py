import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.fleet import Fleet
from tests.data._fleets import fleet_of, lives


def test_rows_of_engines_by_hand():
    fleet = fleet_of(3, 1, 2)
    assert fleet.last_rows.tolist() == [2, 3, 5]
    assert fleet.row_starts.tolist() == [0, 0, 0, 3, 4, 4]


def test_engines_by_hand():
    fleet = Fleet.from_rows(np.array([3, 3, 4, 9, 9]), np.array([1, 2, 1, 1, 2]), np.zeros((5, 24)))
    assert fleet.engines.tolist() == [3, 4, 9]
    assert fleet.starts.tolist() == [0, 2, 3]
    assert fleet.lengths.tolist() == [2, 1, 2]
    assert fleet.rows == 5


@given(lives)
def test_starts_and_lengths_cover_every_row_once(lengths):
    fleet = fleet_of(*lengths)
    assert fleet.lengths.tolist() == lengths
    assert fleet.starts.tolist() == [sum(lengths[:i]) for i in range(len(lengths))]


@given(lives, st.data())
def test_selected_engines_keep_their_numbers_rows_and_order(lengths, data):
    fleet = fleet_of(*lengths)
    some = data.draw(st.lists(st.sampled_from(fleet.engines.tolist()), unique=True, min_size=1))
    chosen = fleet.select_engines(np.array(some))
    assert chosen.engines.tolist() == sorted(some)
    for number, start, length in zip(chosen.engines, chosen.starts, chosen.lengths, strict=True):
        assert (chosen.values[start : start + length] == fleet.values[fleet.engine == number]).all()
        assert chosen.cycle[start : start + length].tolist() == list(range(1, length + 1))


def test_columns_are_picked_by_name_and_are_copies():
    fleet = fleet_of(3)
    picked = fleet.column_values(["sensor_2", "setting_1"])
    assert (picked == fleet.values[:, [4, 0]]).all()
    picked[:] = 0
    assert fleet.values[:, 4].all()
    assert fleet.column_values([]).shape == (3, 0)


def test_records_are_cut_to_their_first_rows():
    fleet = fleet_of(3, 5, 1)
    cut = fleet.truncate(np.array([2, 5, 1]))
    assert cut.engine.tolist() == [1, 1, 2, 2, 2, 2, 2, 3]
    assert cut.cycle.tolist() == [1, 2, 1, 2, 3, 4, 5, 1]
    assert (cut.values[:2] == fleet.values[:2]).all()
    assert cut.columns == fleet.columns
