"""The sections of a run's report that follow from its evaluation."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.evaluation.interval_table import interval_notes, interval_rows
from cmapss_rul.evaluation.table import number
from cmapss_rul.reports import by_group, interpretation
from cmapss_rul.reports import predicted as drawn
from cmapss_rul.reports.metrics import figures_table, published_parts, yardsticks_table
from cmapss_rul.reports.page import Missing, Part, Picture, Table, Text
from cmapss_rul.training.trained_model import TrainedModel


def figures(evaluation: Evaluation) -> Iterator[Part]:
    """The figures and their protocol."""
    yield figures_table(evaluation)
    lines = [[what, how] for what, how in evaluation.protocol.lines()]
    yield Table("Protocol", ["choice", "here"], lines, right=False)


def compare(evaluation: Evaluation) -> Iterator[Part]:
    """What the figures must be compared with."""
    yield yardsticks_table(evaluation)
    yield from published_parts(evaluation)


def predicted(evaluation: Evaluation) -> Iterator[Part]:
    """Predicted against true RUL at the last window of each engine."""
    last = drawn.LastWindows.of(evaluation)
    if last.ends is None:
        yield Missing(f"intervals: {evaluation.intervals['why']}")
    near = int((abs(last.error) <= 10).sum())
    late, early = int(np.argmax(last.error)), int(np.argmin(last.error))
    seen = (
        f"{counted(len(last.engine), 'test engine')}, last windows: {near} within 10 cycles of the "
        f"capped label; too late by most: engine {last.engine[late]} ({last.error[late]:+.1f}), "
        f"too early by most: engine {last.engine[early]} ({last.error[early]:+.1f})."
    )
    bars = "" if last.ends is None else f"; bars: {_level(evaluation)} intervals"
    yield Text(seen)
    yield Picture(
        "predicted_against_true",
        f"Predicted over true RUL; dashed: a perfect predictor that stops at the cap{bars}",
        f"Scatter plot. {seen}",
        partial(drawn.against_true, last),
    )
    yield Picture(
        "sorted_by_true",
        f"Engines by rising true RUL{bars}",
        f"Predictions along the rising line of true RUL. {seen}",
        partial(drawn.sorted_by_true, last),
    )
    yield Picture(
        "by_engine",
        f"Engine by engine; grey: the error{bars}",
        f"True and predicted RUL of each engine in the file's order. {seen}",
        partial(drawn.by_engine, last),
        alone=True,
    )
    yield _engines_table(evaluation, last)


def _engines_table(evaluation: Evaluation, last: drawn.LastWindows) -> Table:
    head = ["engine", "cycle", "true, raw", "true, capped", "predicted", "error"]
    columns = [
        last.engine, evaluation.predictions.cycle[evaluation.last], last.raw, last.true,
        [f"{value:.1f}" for value in last.predicted], [f"{value:+.1f}" for value in last.error],
    ]  # fmt: skip
    if last.ends is not None:
        head += ["lower", "upper"]
        columns += [[f"{value:.1f}" for value in end] for end in last.ends]
    padded = evaluation.predictions.padded[evaluation.last]
    columns.append(["yes" if short else "" for short in padded])
    rows = [[str(cell) for cell in row] for row in zip(*columns, strict=True)]
    return Table("Every engine at its last window", [*head, "padded"], rows, folded=True)


def trajectories(evaluation: Evaluation) -> Iterator[Part]:
    """The course of the best, the median and the worst engines."""
    order, scores = drawn.ranked(evaluation)
    if not len(order):
        yield Missing("trajectories: no test engine gets below the cap")
        return
    kinds = drawn.shown(evaluation, order)
    best = kinds["best"][0]
    first, last = (evaluation.predictions.engine[evaluation.last[order[i]]] for i in (best, -1))
    above = len(evaluation.last) - len(order)
    if above:
        yield Text(
            f"{above} of {len(evaluation.last)} engines are not ranked: their true RUL stays at "
            "the cap or above it, where saying the cap is right without any skill."
        )
    passed_over = kinds["best"] != list(range(len(kinds["best"])))
    rule = "; the best: of those whose true RUL falls to half the cap" if passed_over else ""
    bands = "" if evaluation.ends is None else f"; bands: {_level(evaluation)} intervals"
    yield Picture(
        "trajectories",
        "Predictions over the record of an engine; above each its number and its RMSE over all its "
        f"cycles, capped labels{rule}{bands}",
        f"Courses of predicted and true RUL. By RMSE over the whole record engine {first} is best "
        f"({scores[best]:.1f} cycles), the median is {np.median(scores):.1f}, engine {last} is "
        f"worst ({scores[-1]:.1f}).",
        partial(drawn.trajectories, evaluation),
        alone=True,
    )


def errors(model: TrainedModel, evaluation: Evaluation) -> Iterator[Part]:
    """Error by true RUL and by operating condition."""
    every = np.arange(evaluation.fleet.rows)
    bands = {
        "last windows": by_group.by_band(evaluation, evaluation.last),
        "every window": by_group.by_band(evaluation, every),
    }
    of_bands = by_group.table_of(evaluation, bands, "true RUL")
    yield Picture(
        "error_by_band",
        "Error by true RUL, capped labels: median, quartiles, whiskers over 90 % of the windows",
        f"Boxes of the error. {_in_words(of_bands)}",
        partial(by_group.boxes, evaluation, bands, "true RUL, cycles"),
    )
    yield of_bands
    conditions = {"every window": by_group.by_condition(model, evaluation)}
    of_conditions = by_group.table_of(evaluation, conditions, "condition")
    yield Picture(
        "error_by_condition",
        "Error by operating condition (its settings) at the window's last cycle, as above",
        f"Boxes of the error. {_in_words(of_conditions)}",
        partial(by_group.boxes, evaluation, conditions, "condition: settings"),
    )
    yield of_conditions


def _in_words(table: Table) -> str:
    """Say what the last columns of a table of errors hold, row by row."""
    said = [f"{row[0]}: RMSE {row[-2]}, bias {row[-1]}" for row in table.rows]
    return f"By {table.head[0]}, every window: {'; '.join(said)}."


def health(evaluation: Evaluation) -> Iterator[Part]:
    """The health classes."""
    accuracy = evaluation.health["last"]["accuracy"]
    yield Picture(
        "confusion",
        "Confusion matrices: number of windows, and share of the true class",
        f"Two matrices of true against predicted health class; on last windows {accuracy:.1%} lie "
        "on the diagonal.",
        partial(by_group.confusion, evaluation),
    )
    yield Table(
        "Accuracy and macro F1 of the class; of the probabilities expected calibration error and "
        "Brier score, lower is better",
        ["windows", "accuracy", "macro F1", "ECE", "Brier"],
        [
            [windows, *(f"{found[key]:.3f}" for key in ("accuracy", "macro_f1", "ece", "brier"))]
            for windows, found in evaluation.health.items()
        ],
        beside=True,
    )


def intervals(evaluation: Evaluation) -> Iterator[Part]:
    """How often the intervals held."""
    intervals = evaluation.intervals
    if not intervals["levels"]:
        yield Missing(f"intervals and their coverage: {intervals['why']}")
        return
    held = [
        f"{found['level']:g}: {found['last']['capped']['coverage']:.3f} of the last windows"
        for found in intervals["coverage"]
    ]
    yield Picture(
        "coverage",
        "How often the intervals held the capped truth; bars: 95 % binomial intervals",
        f"Share held by level and by true RUL. At level {'; '.join(held)}.",
        partial(interpretation.coverage, intervals),
    )
    by_level, by_band = interval_rows(intervals)
    yield Table("By level", *by_level, beside=True)
    yield Table("By true RUL, capped labels", *by_band)
    notes = [[what, how] for what, how in interval_notes(intervals)]
    yield Table("What the intervals are", ["what", "how"], notes, right=False)


def prognostics(evaluation: Evaluation) -> Iterator[Part]:
    """Prognostics metrics."""
    definition, mean = (evaluation.prognostics[key] for key in ("definition", "mean"))
    names = {
        "alpha_lambda": f"α-λ accuracy: right half-way, α {definition['alpha']:g}, λ "
        f"{definition['lambda']:g}; share of engines",
        "prognostic_horizon": f"prognostic horizon, α {definition['horizon_alpha']:g}; cycles",
        "relative_accuracy": "relative accuracy at λ; 1 is perfect",
        "cumulative_relative_accuracy": "cumulative relative accuracy; 1 is perfect",
        "convergence": "convergence; lower is faster",
    }
    rows = [
        [
            text,
            "–" if mean[key]["value"] is None else number(mean[key]["value"], 3),
            str(mean[key]["engines"]),
        ]
        for key, text in names.items()
    ]
    yield Table(
        f"Means over the engines that have the metric ({definition['source']}; "
        f"{definition['labels']} labels, from {definition['from']})",
        ["metric", "mean", "engines"],
        rows,
    )


def _level(evaluation: Evaluation) -> str:
    return f"{evaluation.intervals['level']:.4g}"
