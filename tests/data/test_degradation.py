import numpy as np
import pytest

from cmapss_rul.data import degradation
from cmapss_rul.data.degradation import Engines, draw_engines, draw_records, failure_records
from cmapss_rul.data.degradation import truncated_records as cut_records


def one_engine(life: int, fault: int = 0) -> Engines:
    """An engine without random variation whose degradation starts half-way."""
    return Engines(
        life=np.array([life]),
        onset=np.array([life / 2]),
        exponent=np.array([2.0]),
        damage=np.array([1.0]),
        wear=np.array([0.0]),
        share=np.ones((1, 21)),
        fault=np.array([fault]),
        offset=np.zeros((1, 21)),
    )


@pytest.mark.parametrize(("fault", "drift"), [(0, 27.0), (1, 29.0)])
def test_the_formula_without_noise(monkeypatch, fault, drift):
    monkeypatch.setattr(degradation, "_NOISE", np.zeros(21))
    rng = np.random.default_rng(0)
    rows = draw_records(rng, one_engine(100, fault), np.array([100]), conditions=1)
    assert rows.shape == (100, 25)
    assert rows[:, 0].tolist() == list(range(1, 101))
    sensor_4 = rows[:, 1 + 3 + 3]
    assert sensor_4[:50].tolist() == [1402.8] * 50
    # x = 1/2 at cycle 75: (e - 1) / (e^2 - 1) = 0.26894
    assert sensor_4[74] == pytest.approx(1402.8 + 0.268941 * drift, abs=1e-4)
    assert sensor_4[99] == pytest.approx(1402.8 + drift)


def test_engines_keep_their_bounds():
    drawn = draw_engines(np.random.default_rng(1), 20_000, faults=2)
    assert drawn.life.min() >= 50
    assert drawn.life.max() <= 540
    assert np.mean((drawn.life >= 120) & (drawn.life <= 360)) > 0.95
    assert (drawn.onset > 0).all()
    assert (drawn.onset < drawn.life).all()
    assert set(drawn.fault) == {0, 1}
    assert set(draw_engines(np.random.default_rng(1), 50, faults=1).fault) == {0}


def test_engines_are_numbered_across_batches():
    rows = list(failure_records(0, 260, 1, 1))
    assert [len(np.unique(part[:, 0])) for part in rows] == [250, 10]
    assert np.unique(np.concatenate(rows)[:, 0]).tolist() == list(range(1, 261))
    cut = list(cut_records(0, 260, 1, 1))
    assert [len(rul) for _, rul in cut] == [250, 10]
    assert cut[1][0][0, :2].tolist() == [251, 1]
