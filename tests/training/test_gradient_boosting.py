"""The gradient boosting baseline: same rows, split and labels; tuned on validation engines."""

import builtins
import shutil
from pathlib import Path

import numpy as np
import pytest

from cmapss_rul.system.errors import UsageError
from cmapss_rul.training import gradient_boosting
from cmapss_rul.training.gradient_boosting import find_regressor, fit_gradient_boosting
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.validation import cut_weights
from tests.training.inputs import quick_regressor, tiny_config

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def config(eight_engine_dir):
    return tiny_config(eight_engine_dir)


@pytest.fixture(autouse=True, scope="module")
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient_boosting, "find_regressor", quick_regressor)
        yield


@pytest.fixture(scope="module")
def fitted(config):
    return fit_gradient_boosting(config, Path("best.pt"))


def test_the_chosen_fit_has_the_lowest_error_of_all_candidates(config, fitted, monkeypatch):
    found = []
    for candidate in gradient_boosting.CANDIDATES:
        monkeypatch.setattr(gradient_boosting, "CANDIDATES", [candidate])
        found.append(fit_gradient_boosting(config, Path("best.pt")).fit.val_cut_rmse)
    assert fitted.fit.val_cut_rmse == min(found)


def test_its_validation_metrics_are_those_of_its_predictions(config, fitted):
    validation = load_data(config).validation
    predicted = fitted.predict(validation.windows).rul
    squares = np.square(predicted - validation.rul.numpy())
    assert fitted.fit.val_rmse == pytest.approx(np.sqrt(squares.mean()))
    weights = cut_weights(validation)
    assert fitted.fit.val_cut_rmse == pytest.approx(np.sqrt((weights * squares).sum()))


def test_it_is_better_than_a_constant(config, fitted):
    validation = load_data(config).validation
    assert fitted.fit.val_rmse < validation.rul.numpy().std()


def test_a_repeated_fit_is_the_same(config, fitted):
    again = fit_gradient_boosting(config, Path("best.pt"), fitted.fit)
    windows = load_data(config).validation.windows
    np.testing.assert_array_equal(again.predict(windows).rul, fitted.predict(windows).rul)
    assert again.fit.trees == fitted.fit.trees


def test_predictions_are_clamped_and_classes_follow_from_them(config, fitted):
    found = fitted.predict(load_data(config).training.windows)
    assert found.rul.min() >= 0
    assert found.rul.max() <= config.data.cap
    assert config.loss.health.boundaries == (125, 50)  # healthy: at the cap
    expected = (found.rul < 125).astype(int) + (found.rul <= 50)
    np.testing.assert_array_equal(found.probabilities.argmax(axis=1), expected)
    np.testing.assert_array_equal(found.probabilities.sum(axis=1), 1)


def test_no_test_file_is_needed(config, eight_engine_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(gradient_boosting, "CANDIDATES", [(0.2, 7)])
    shutil.copy(eight_engine_dir / "train_FD001.txt", tmp_path)
    alone = config.model_copy(update={"data": config.data.moved_to(tmp_path)})
    fit_gradient_boosting(alone, Path("best.pt"))
    assert [path.name for path in tmp_path.glob("*.txt")] == ["train_FD001.txt"]


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without_sklearn(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError("No module named 'sklearn'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_sklearn)
    with pytest.raises(UsageError, match=r"pip install 'cmapss_rul\[baseline\]'"):
        find_regressor()
