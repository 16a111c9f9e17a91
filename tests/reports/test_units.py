"""The time unit, and cells filled with earlier values, in all output about a run."""

import json
import re

import pytest

from cmapss_rul.display.table import to_terminal
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.headline import headline_table, render_headline, verdict
from cmapss_rul.evaluation.save import to_json
from cmapss_rul.evaluation.tables import evaluation_tables
from cmapss_rul.reports import breakdown, rul_plots, sections
from cmapss_rul.reports.report import key_metrics, report
from cmapss_rul.reports.training_curves import plot_learning_curves
from cmapss_rul.training.reporters import read_metrics
from tests.data._own import HEADER, own_rows, write_own
from tests.evaluation._models import calibrated, trained

EMPTY = {20, 45, 70, 80, 95}
"""Rows of the file without a temperature; none is the first one of its engine."""

pytestmark = pytest.mark.usefixtures("unrendered")


def in_hours(row, index):
    engine, cycle, load, temp, *others = row.split(",")
    time = f"{1.5 * int(cycle):g}"
    return ",".join([engine, time, load, "" if index in EMPTY else temp, *others])


@pytest.fixture(scope="module")
def hours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hours")
    rows = [in_hours(row, index) for index, row in enumerate(own_rows())]
    data = {"unit": "hours", "missing": "hold", "censored": ["p-2", "p-5", "p-9"]}
    file = write_own(folder / "my.csv", rows, HEADER)
    split = {"test": 0.34, "validation": 0.5}
    return calibrated(trained(file, folder / "run", split=split, **data))


@pytest.fixture(scope="module")
def found(hours):
    return evaluate(hours)


def without_other_cycles(text):
    """The text without phrases in which 'cycle' is not the unit."""
    return re.sub(r"one-sided|every cycle|cycle_count|cycle count", "", text)


def test_every_table_has_the_unit(found, capsys):
    from rich import print as draw

    draw(*map(to_terminal, [*evaluation_tables(found), headline_table(found)]))
    draw(render_headline(found))
    text = " ".join(capsys.readouterr().out.split())
    assert "(predicted − true) in hours; NASA" in text
    assert "mean width in hours" in text
    assert "expected RMSE in hours" in text
    assert "with a prediction below the remaining hours of the record" in text
    assert "4 rows; padded at the front, by repeating the first row" in text
    assert "RUL at the window's last row; 0 at the failure row" in text
    assert " hours (95 % interval " in verdict(found)
    assert "cycles" not in without_other_cycles(text)


def test_the_json_names_a_unit_that_is_not_cycles_alone(found, evaluation):
    assert json.loads(to_json(found))["protocol"]["unit"] == "hours"
    plain = json.loads(to_json(evaluation))["protocol"]
    assert not {"unit", "held_cells"} & {*plain}


def test_held_cells_of_test_records_are_counted(found, hours):
    # the rows of the file that belong to an engine that was held out and had not been censored
    engines = [row.split(",")[0] for row in own_rows()]
    names = list(dict.fromkeys(engines))
    aside = {names[number - 1] for number in set(hours.engines.test) - {*hours.engines.censored}}
    count = sum(engines[index] in aside for index in EMPTY)
    assert count
    assert found.protocol.held_cells == {"temp": count}
    text = f"empty cells of test records hold earlier values: {count} of temp"
    assert ("held cells", text) in found.protocol.lines()
    assert found.protocol.summary().endswith(f"; {text}")
    assert json.loads(to_json(found))["protocol"]["held_cells"] == {"temp": count}


def test_training_output_is_in_hours(hours):
    log = (hours.path.parent / "train.log").read_text()
    assert re.search(r"best epoch 1: validation RMSE \d+\.\d+ hours", log)
    assert re.search(r"; mean shortfall over all windows \d+\.\d+ hours", log)
    assert "hold the engine's last value (data.missing): 5 of temp" in log
    assert "cycles" not in log


def test_a_report_and_its_card_are_in_hours(hours, found):
    page, *plots, card = report(hours.path.parent)
    # the configuration is printed as it is, with the keys' own names
    html = re.sub(r"(?s)<style.*?</style>|<pre.*?</pre>", "", page.read_text())
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))
    assert dict(key_metrics(found))["RMSE, every window, capped labels"].endswith(" hours")
    assert "within 10 hours of the capped label" in text
    assert "empty cells of test records hold earlier values" in text
    assert "cycles" not in text
    card_text = card.read_text()
    assert "(RUL) in hours, from 0 to 10" in card_text
    assert "means '10 hours or more'" in card_text
    assert "cycles" not in card_text
    assert plots


def labels_of(figure):
    return {text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_ylabel())}


def test_axes_have_the_unit(hours, found):
    last = rul_plots.LastWindows.of(found)
    groups = {"last": breakdown.group_by_rul(found, found.last)}
    rows = read_metrics(hours.path.parent / "metrics.csv")
    drawn = {
        "true RUL, hours": rul_plots.plot_against_true(last),
        "RUL at the last windows, hours": rul_plots.plot_sorted(last),
        "RUL, hours": rul_plots.plot_engines(last),
        "hour": rul_plots.plot_trajectories(found),
        "predicted − true RUL, hours (right of 0: too late)": breakdown.plot_error_boxes(
            found, groups, "RUL"
        ),
        "true class (RUL, hours)": breakdown.plot_confusion(found),
        "true RUL, hours (level 0.9, dashed)": breakdown.plot_coverage(found.intervals, "hours"),
        "validation\nRMSE, hours": plot_learning_curves(rows, 1, "hours"),
    }
    for label, figure in drawn.items():
        assert label in labels_of(figure)
        assert not any("cycle" in text for text in labels_of(figure))
    first = next(iter(sections.errors(hours, found)))
    assert first.title.startswith("Error by true RUL, hours")
