import io

import numpy as np
import pandas as pd
import pytest
import torch

from cmapss_rul.data.columns import COLUMNS, LITERATURE_SENSORS
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.preprocess import Preprocessor
from tests.data._fleets import SIX, fleet_of

PAIR = ("sensor_2", "setting_1")


def test_features_are_the_columns_and_then_the_cycle_count():
    fleet = fleet_of(30, 20)
    with_count = Preprocessor.fit(fleet, DataConfig(columns=PAIR))
    without = Preprocessor.fit(fleet, DataConfig(columns=PAIR, cycle_count=False))
    assert with_count.features == (*PAIR, "cycle_count")
    assert without.features == PAIR
    features = with_count.transform(fleet)
    assert features.dtype == np.float32
    assert features.shape == (50, 3)
    assert (features[:, :2] == without.transform(fleet)).all()


def test_the_cycle_count_is_divided_by_200():
    fleet = fleet_of(3, 2)
    count = Preprocessor.fit(fleet, DataConfig(columns=PAIR)).transform(fleet)[:, -1]
    assert count.tolist() == pytest.approx([0.005, 0.01, 0.015, 0.005, 0.01])


@pytest.mark.parametrize("weight", [0.05, 0.3, 1.0])
def test_smoothing_is_the_recursive_exponential_mean_of_pandas(weight):
    fleet = fleet_of(40, 1, 25, conditions=SIX)
    plain = Preprocessor.fit(fleet, DataConfig(columns=COLUMNS)).transform(fleet)
    smooth = Preprocessor.fit(fleet, DataConfig(columns=COLUMNS, smoothing=weight)).transform(fleet)
    frame = pd.DataFrame(plain[:, :-1].astype(float)).groupby(fleet.engine)
    expected = frame.ewm(alpha=weight, adjust=False).mean().to_numpy()
    assert np.abs(smooth[:, :-1] - expected).max() < 1e-5
    assert (smooth[:, -1] == plain[:, -1]).all()  # a count needs no smoothing


def test_smoothing_looks_back_only():
    long, short = fleet_of(30), fleet_of(12)
    short.values[:] = long.values[:12]
    preprocessor = Preprocessor.fit(long, DataConfig(smoothing=0.2))
    assert (preprocessor.transform(long)[:12] == preprocessor.transform(short)).all()


def test_an_engine_is_transformed_alike_alone_and_among_others():
    fleet = fleet_of(30, 20, 10, conditions=SIX)
    preprocessor = Preprocessor.fit(fleet, DataConfig(smoothing=0.3))
    alone = preprocessor.transform(fleet.select(np.array([2])))
    assert (preprocessor.transform(fleet)[fleet.engine == 2] == alone).all()


def test_rows_of_an_unknown_condition_are_flagged():
    preprocessor = Preprocessor.fit(fleet_of(30, conditions=SIX), DataConfig())
    other = fleet_of(2, conditions=[SIX[1], (33, 0.5, 80)])
    assert preprocessor.unknown_condition(other).tolist() == [False, True]
    assert np.isfinite(preprocessor.transform(other)).all()


def test_columns_are_taken_by_name_in_the_order_asked_for():
    fleet = fleet_of(20)
    both = Preprocessor.fit(fleet, DataConfig(columns=("sensor_21", "sensor_2")))
    alone = Preprocessor.fit(fleet, DataConfig(columns=("sensor_2",)))
    assert (both.transform(fleet)[:, 1] == alone.transform(fleet)[:, 0]).all()


def test_values_beyond_training_are_told_per_column():
    fleet = fleet_of(30)
    config = DataConfig(columns=("sensor_2", "sensor_3"))
    preprocessor = Preprocessor.fit(fleet, config)
    assert not preprocessor.beyond_training(fleet).any()
    fleet.values[4, COLUMNS.index("sensor_3")] = 1e4
    beyond = preprocessor.beyond_training(fleet)
    assert np.argwhere(beyond).tolist() == [[4, 1]]
    again = Preprocessor.from_state(preprocessor.state_dict(), config)
    assert (again.beyond_training(fleet) == beyond).all()


def test_the_state_makes_the_same_preprocessor_again():
    fleet = fleet_of(60, 30, conditions=SIX)
    config = DataConfig(columns=LITERATURE_SENSORS[:3], smoothing=0.3)
    preprocessor = Preprocessor.fit(fleet, config)
    file = io.BytesIO()
    torch.save(preprocessor.state_dict(), file)
    file.seek(0)
    again = Preprocessor.from_state(torch.load(file, weights_only=True), config)
    assert again.features == preprocessor.features
    assert again.smoothing == 0.3
    assert (again.transform(fleet) == preprocessor.transform(fleet)).all()
