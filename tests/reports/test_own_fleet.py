"""The report of a fleet of one's own: names instead of numbers, no C-MAPSS, few engines."""

import dataclasses

import numpy as np
import pytest

from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.reports import predicted
from cmapss_rul.reports.card import CARD
from cmapss_rul.reports.target import report
from tests.data._own import write_own
from tests.evaluation._models import trained
from tests.reports.inputs import Seen


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    trained(write_own(folder / "my.csv"), folder / "run")
    report(folder / "run")
    return folder / "run"


def test_the_page_says_whose_data_and_which_engines_these_are(run_folder):
    seen = Seen((run_folder / "report.html").read_text(encoding="utf-8"))
    assert "Note: own files: no figure here is one of C-MAPSS" in seen.words
    assert "held-out engines of the same file, each cut once: 2 engines" in seen.words
    assert "Left out: published figures, which are of C-MAPSS, and these data are own" in seen.words
    assert "Left out: intervals" in seen.words
    assert "too late by most: engine p-" in seen.words
    assert "highest rises: " in " ".join(image["alt"] for image in seen.images)


def test_the_card_is_not_one_of_c_mapss(run_folder):
    card = (run_folder / CARD).read_text(encoding="utf-8")
    assert "Prediction for engines of the fleet it was trained on." in card
    assert "The figures below rest on 2 engines" in card
    assert "C-MAPSS files" not in card
    assert "Inputs: temp, vib, " in card


def test_a_long_name_fits_above_its_panel(tmp_path):
    found = evaluate(trained(write_own(tmp_path / "my.csv"), tmp_path / "run"))
    names = np.array(["a\tname that is long"] * len(found.predictions.engine))
    named = dataclasses.replace(found.predictions, engine=names)
    figure = predicted.trajectories(dataclasses.replace(found, predictions=named))
    assert figure.axes[0].get_title().startswith("best: a\\tname tha… (")
