"""An evaluation as tables: built once, drawn on the terminal, in reports and in model cards."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cmapss_rul.display.table import Table, terminal_text, to_terminal
from cmapss_rul.display.text import counted, row_noun
from cmapss_rul.evaluation.held_out import CutMetrics, censored_table
from cmapss_rul.evaluation.intervals import BandCoverage, IntervalResults
from cmapss_rul.evaluation.protocol import LAST_WINDOWS
from cmapss_rul.evaluation.results import (
    Baseline,
    ConstantMetrics,
    Evaluation,
    RulMetrics,
)
from cmapss_rul.metrics.prognostics import ALPHA, HORIZON_ALPHA, LAMBDA
from cmapss_rul.metrics.regression import RegressionMetrics, band_name, regression_metrics

if TYPE_CHECKING:
    from rich.console import RenderableType

WINDOWS = {"last": "last window", "every": "every window"}
"""Names of the two sets of windows: the last one of each engine, or one per cycle."""


def window_names(evaluation: Evaluation) -> dict[str, str]:
    """Names of the sets of windows that differ: one only where a window is a flight."""
    protocol = evaluation.protocol
    if protocol.scored_at == LAST_WINDOWS:
        return WINDOWS
    every = {} if protocol.stride is None else {"every": WINDOWS["every"]}
    return {"last": protocol.scored_at, **every}


_HEAD = ("RMSE", "95 % CI", "MAE", "bias", "NASA", "mean")

_FORMS = {
    "normalised": "divided by the typical error near the predicted RUL",
    "bins": "divided by the typical error in the predicted RUL's bin",
}


def render(evaluation: Evaluation) -> "RenderableType":
    """Lay an evaluation out for a terminal of 80 columns."""
    from rich.console import Group

    from cmapss_rul.display.table import Bold

    protocol = evaluation.protocol
    ensemble = "" if protocol.ensemble is None else f"{protocol.ensemble} · "
    title = Bold(f"{protocol.subset} · {protocol.files} · {ensemble}one seed ({protocol.seed})")
    return Group(terminal_text(title), *map(to_terminal, evaluation_tables(evaluation)))


def evaluation_tables(evaluation: Evaluation) -> list[Table]:
    """Build all tables of an evaluation but those of single engines."""
    return [
        metrics_table(evaluation),
        *([estimates_table(evaluation)] if evaluation.nasa else []),
        baselines_table(evaluation),
        *coverage_tables(evaluation),
        intervals_table(evaluation.intervals),
        health_table(evaluation),
        *held_out_tables(evaluation),
        *units_tables(evaluation),
        protocol_table(evaluation),
    ]


def metrics_table(evaluation: Evaluation) -> Table:
    """Metrics of the predicted RUL, by windows and labels."""
    names, unit = window_names(evaluation), evaluation.protocol.unit
    rows = [
        [f"{names[windows]}, {labels}", *metric_cells(found)]
        for windows, by_labels in evaluation.metrics.items()
        for labels, found in by_labels.items()
        if windows in names
    ]
    title = (
        "Test metrics. RMSE with its 95 % confidence interval (bootstrap over engines), MAE and "
        f"bias (predicted − true) in {unit}; NASA score, sum and mean per window, lower is better"
    )
    if stride := evaluation.protocol.stride:
        title += f". Every flight: at its last window; every window: {stride} s apart"
    elif "every" in names:
        title += f". Last window: one per engine; every window: one per {evaluation.protocol.row}"
    title += "".join(f". Optimistic: {mark}" for mark in evaluation.protocol.marks)
    # the first row is highlighted: papers report last windows
    return Table(title, ["windows, labels", *_HEAD], rows, strong=[0])


def estimates_table(evaluation: Evaluation) -> Table:
    """Metrics of both point estimates on capped labels, each row of one estimate alone."""
    assert evaluation.nasa is not None  # the caller's model has both
    names = window_names(evaluation)
    rows = [
        [f"{name}, {names[windows]}", *metric_cells(by_labels.capped)]
        for name, metrics in (("network's RUL", evaluation.metrics), ("for NASA", evaluation.nasa))
        for windows, by_labels in metrics.items()
        if windows in names
    ]
    title = (
        "Two point estimates, capped labels: that of the network (rmse), and the one with the "
        "lowest expected NASA score, from the residuals of the calibration engines (nasa)"
    )
    return Table(title, ["estimate, windows", *_HEAD], rows)


def held_out_tables(evaluation: Evaluation) -> list[Table]:
    """Build the tables that need whole held-out records, where there are any."""
    unit = evaluation.protocol.unit
    found = [] if evaluation.cuts is None else [cuts_table(evaluation.cuts, unit)]
    if evaluation.censored is not None:
        found.append(censored_table(evaluation.censored, unit))
    return found


def units_tables(evaluation: Evaluation) -> list[Table]:
    """Metrics of each test unit that was flown until the failure; none of other engines."""
    if evaluation.protocol.scored_at == LAST_WINDOWS:
        return []
    predicted = evaluation.predictions.at(evaluation.scored)
    true = evaluation.truth.capped[evaluation.scored]
    rows = []
    for unit in dict.fromkeys(predicted.engine.tolist()):
        own = predicted.engine == unit
        found = regression_metrics(predicted.rul[own], true[own])
        numbers = (found.rmse, found.mae, found.bias, found.nasa)
        rows.append([str(unit), str(own.sum()), *(number(value, 2) for value in numbers)])
    title = "Each test unit over its flights; RMSE, MAE and bias in flights, capped labels"
    return [Table(title, ["unit", "flights", "RMSE", "MAE", "bias", "NASA"], rows)]


def cuts_table(found: CutMetrics, unit: str) -> Table:
    """Metrics at random cuts of the held-out records."""
    rows = [
        ["this model", number(found.rmse, 2), interval_cell(found.rmse_interval),
         number(found.nasa_mean, 2)],
        ["training mean", number(found.train_mean_rmse, 2), "", ""],
        ["test mean", number(found.test_mean_rmse, 2), "", ""],
    ]  # fmt: skip
    title = (
        f"Random cuts of {counted(found.engines, 'held-out engine')}, capped labels: expected RMSE "
        f"in {unit}, with its 95 % interval over engines, and mean NASA score where each record "
        f"ends at any of its {row_noun(unit)}s from {found.earliest} on, each engine of the same "
        "weight"
    )
    return Table(title, ["predictor", "RMSE", "95 % CI", "NASA mean"], rows, strong=[0])


def baselines_table(evaluation: Evaluation) -> Table:
    """Baselines on last windows, with the model beside them."""
    floor, baselines = evaluation.floor, evaluation.baselines
    named: dict[str, Baseline[ConstantMetrics] | Baseline[RulMetrics]] = {
        "test mean": baselines.test_mean,
        "training mean": baselines.train_mean,
    }
    if baselines.gradient_boosting is not None:
        named["gradient boosting"] = baselines.gradient_boosting
    rows: list[list[str]] = []
    strong = []
    for labels, found in evaluation.metrics.last.items():
        strong.append(len(rows))
        rows.append([f"this model, {labels}", *metric_cells(found)])
        # on capped labels a perfect predictor has no error, so there is no floor to show
        if labels == "raw":
            rows.append(["perfect below the cap, raw", *metric_cells(floor.raw.last)])
        for name, baseline in named.items():
            of_labels: RulMetrics | ConstantMetrics = getattr(baseline.metrics.last, labels)
            rows.append([f"{name}, {labels}", *metric_cells(of_labels)])
    notes = [
        f"Perfect below the cap: {floor.description}.",
        *(f"{name.capitalize()}: {found.description}." for name, found in named.items()),
    ]
    where = evaluation.protocol.scored_at.removeprefix("the ")
    return Table(f"Baselines, {where}", ["predictor", *_HEAD], rows, "", notes, strong)


def metric_cells(found: RulMetrics | ConstantMetrics | RegressionMetrics) -> list[str]:
    """RMSE with its interval, MAE, bias, NASA score and its mean, as in the tables above."""
    interval = found.rmse_interval if isinstance(found, RulMetrics) else None
    return [
        number(found.rmse, 2),
        interval_cell(interval),
        number(found.mae, 2),
        number(found.bias, 2),
        number(found.nasa, 0),
        number(found.nasa_mean, 2),
    ]


def interval_cell(bounds: tuple[float, float] | None) -> str:
    """Format the interval of an RMSE; a single engine has none.

    >>> interval_cell((11.94, 18.7)), interval_cell(None)
    ('11.9–18.7', '–')
    """
    return "–" if bounds is None else f"{number(bounds[0], 1)}–{number(bounds[1], 1)}"


def number(value: float, decimals: int) -> str:
    """Round, in few characters.

    >>> number(164681.2, 0), number(-0.004, 2), number(3e250, 0), number(math.inf, 2)
    ('164,681', '0.00', '3.0e+250', '∞')
    """
    if math.isinf(value):
        return "∞"
    if abs(value) >= 1e7:  # a NASA score may have hundreds of digits, and a column has eight
        return f"{value:.1e}"
    decimals = decimals if abs(value) < 1e4 else 0
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"  # + 0.0 takes the sign off −0


def coverage_tables(evaluation: Evaluation) -> list[Table]:
    """Coverage by level, and by true RUL at the level nearest to 0.9; none without intervals."""
    intervals, names = evaluation.intervals, window_names(evaluation)
    if intervals.facts is None:
        return []
    by_level = [
        [
            f"{found.level:g}, {names[windows]}",
            f"{part.capped.coverage:.3f}",
            "{:.2f}–{:.2f}".format(*part.capped.interval),
            f"{part.capped.width:.1f}",
            f"{part.raw.coverage:.3f}",
            f"{part.raw.above_cap:.1%}",
        ]
        for found in intervals.coverage
        for windows, part in found.items()
        if windows in names
    ]
    main = intervals.main
    by_band = [
        # no column for the number of last windows: it is that of the engines
        [band_name(last.low, last.below), *_band_cells(last)[:3], *_band_cells(every)]
        for last, every in zip(main.last.bands, main.every.bands, strict=True)
    ]
    return [
        Table(
            "Coverage of the intervals: share of true RULs inside, engines weighted equally, "
            "with its 95 % binomial interval over engines; mean width in "
            f"{evaluation.protocol.unit}; coverage on raw labels, where no interval covers a RUL "
            "above the cap, and the share of those",
            ["level, windows", "coverage", "95 % CI", "width", "raw", "above cap"],
            by_level,
        ),
        Table(
            f"Coverage by true RUL at level {main.level:g}, capped labels: last "
            "windows and every window",
            ["true RUL", "last", "width", "engines", "every", "width", "engines", "windows"],
            by_band,
        ),
    ]


def _band_cells(band: BandCoverage) -> list[str]:
    found = band.capped
    if found is None:
        return ["–", "–", "0", "0"]
    return [
        f"{found.coverage:.3f}", f"{found.width:.1f}", str(found.engines), f"{found.windows:,}",
    ]  # fmt: skip


def intervals_table(intervals: IntervalResults) -> Table:
    """Describe method and guarantee of the intervals, or the reason why there are none."""
    return Table("Intervals", ["property", "value"], [*_interval_rows(intervals)], "ll")


def _interval_rows(intervals: IntervalResults) -> Iterator[list[str]]:
    facts = intervals.facts
    if facts is None:
        yield ["intervals", f"none: {intervals.reason}"]
        return
    reserved = facts.mark or "held out for this alone, so fewer trained"
    yield ["method", f"conformal prediction by engine; errors {_FORMS[facts.form]}"]
    yield ["calibrated on", f"{facts.engines} {facts.kind} engines ({reserved})"]
    yield ["guarantee", facts.promise]
    yield ["upper bound", "at the cap it means 'the cap or more'"]


def health_table(evaluation: Evaluation) -> Table:
    """Metrics of the health classes."""
    names = window_names(evaluation)
    rows = [
        [
            names[windows],
            *(f"{x:.3f}" for x in (found.accuracy, found.macro_f1, found.ece, found.brier)),
        ]
        for windows, found in evaluation.health.items()
        if windows in names
    ]
    title = (
        "Health classes: accuracy and macro F1 of the predicted class; expected calibration error "
        "(ECE) and Brier score of the probabilities, lower is better"
    )
    return Table(title, ["windows", "accuracy", "macro F1", "ECE", "Brier score"], rows)


def prognostics_table(evaluation: Evaluation) -> Table:
    """Means of the prognostics metrics over engines."""
    definition, time = evaluation.prognostics.definition, evaluation.protocol.unit
    halfway = f"{LAMBDA:.0%} of the way to the failure"
    texts = {
        "alpha_lambda": (
            f"α-λ accuracy (α = {ALPHA:g}, λ = {LAMBDA:g})", "share of engines",
            f"with a prediction within ±{ALPHA:.0%} of the true RUL {halfway}; 1 is perfect",
        ),
        "prognostic_horizon": (
            f"prognostic horizon (α = {HORIZON_ALPHA:g})", time,
            "how long before the failure a prediction is first within "
            f"±{HORIZON_ALPHA:.0%} of the engine's life; longer is better",
        ),
        "relative_accuracy": (
            f"relative accuracy (λ = {LAMBDA:g})", "dimensionless",
            f"1 − |error| / true RUL, {halfway}; 1 is perfect",
        ),
        "cumulative_relative_accuracy": (
            "cumulative relative accuracy", "dimensionless",
            f"mean of the relative accuracy over all {row_noun(time)}s; 1 is perfect",
        ),
        "convergence": (
            "convergence", time,
            "how late in the record the errors lie; lower is faster; grows with the record",
        ),
    }  # fmt: skip
    means = evaluation.prognostics.mean
    rows = []
    for name, (metric, unit, meaning) in texts.items():
        mean = means[name]
        value = "–" if mean.value is None else number(mean.value, 3)
        rows.append([metric, value, unit, str(mean.engines), meaning])
    title = (
        f"Prognostics metrics ({definition['source']}), {definition['labels']} labels from "
        f"{definition['from']}; means over the engines for which they are defined"
    )
    return Table(title, ["metric", "mean", "unit", "engines", "meaning"], rows, "lrlrl")


def protocol_table(evaluation: Evaluation) -> Table:
    """The choices behind the metrics."""
    # worded by the protocol itself, so that terminal, report and model card say the same
    rows = [list(line) for line in evaluation.protocol.lines()]
    return Table("Evaluation protocol", ["choice", "value"], rows, "ll")
