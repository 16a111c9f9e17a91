"""The sections of a run's report that follow from its evaluation."""

import hashlib
from collections.abc import Iterator
from functools import partial

import numpy as np

from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.display.table import Table
from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.evaluation.tables import (
    baselines_table,
    coverage_tables,
    health_table,
    intervals_table,
    metrics_table,
    prognostics_table,
    protocol_table,
)
from cmapss_rul.reports import breakdown, rul_plots
from cmapss_rul.reports.page import Lines, Missing, PageTable, Part, Plot, Text
from cmapss_rul.reports.summary import published_results
from cmapss_rul.training.trained_model import TrainedModel


def metrics(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the test metrics and their protocol."""
    yield PageTable(metrics_table(evaluation))
    yield PageTable(protocol_table(evaluation))


def baselines(evaluation: Evaluation) -> Iterator[Part]:
    """Yield what the metrics must be compared with."""
    yield PageTable(baselines_table(evaluation))
    yield from published_results(evaluation)


def predictions(evaluation: Evaluation) -> Iterator[Part]:
    """Yield predicted against true RUL at the last window of each engine."""
    last = rul_plots.LastWindows.of(evaluation)
    if last.bounds is None:
        yield Missing(f"intervals: {evaluation.intervals.reason}")
    near = int((abs(last.error) <= 10).sum())
    late, early = int(np.argmax(last.error)), int(np.argmin(last.error))
    summary = (
        f"{counted(len(last.engine), 'test engine')}, last windows: {near} within 10 cycles of the "
        f"capped label; latest prediction: engine {last.engine[late]} ({last.error[late]:+.1f} "
        f"cycles), earliest: engine {last.engine[early]} ({last.error[early]:+.1f})."
    )
    bars = "" if last.bounds is None else f"; bars: {_level(evaluation)} intervals"
    yield Text(summary)
    yield Plot(
        "predicted_against_true",
        f"Predicted over true RUL; dashed: perfect predictions up to the cap{bars}",
        f"Scatter plot. {summary}",
        partial(rul_plots.plot_against_true, last),
    )
    yield Plot(
        "sorted_by_true",
        f"Engines by ascending true RUL{bars}",
        f"Predictions along the ascending line of true RUL. {summary}",
        partial(rul_plots.plot_sorted, last),
    )
    yield Plot(
        "by_engine",
        f"Engines in the order of the file; grey: the error{bars}",
        f"True and predicted RUL of each engine in the file's order. {summary}",
        partial(rul_plots.plot_engines, last),
        alone=True,
    )
    yield PageTable(_engines_table(evaluation, last), folded=True)


def _engines_table(evaluation: Evaluation, last: rul_plots.LastWindows) -> Table:
    head = ["engine", "cycle", "true, raw", "true, capped", "predicted", "error"]
    columns = [
        last.engine, evaluation.predictions.cycle[evaluation.last], last.raw, last.true,
        [f"{value:.1f}" for value in last.predicted], [f"{value:+.1f}" for value in last.error],
    ]  # fmt: skip
    if last.bounds is not None:
        head += ["lower", "upper"]
        columns += [[f"{value:.1f}" for value in bound] for bound in last.bounds]
    padded = evaluation.predictions.padded[evaluation.last]
    columns.append(["yes" if short else "" for short in padded])
    rows = [[str(cell) for cell in row] for row in zip(*columns, strict=True)]
    return Table("Every engine at its last window, cycles", [*head, "padded"], rows)


def trajectories(evaluation: Evaluation) -> Iterator[Part]:
    """Yield predictions over the records of the best, the median and the worst engines."""
    order, scores = rul_plots.rank_engines(evaluation)
    if not len(order):
        yield Missing("trajectories: no test engine gets below the cap")
        return
    kinds = rul_plots.trajectory_ranks(evaluation, order)
    best = kinds["best"][0]
    first, last = (evaluation.predictions.engine[evaluation.last[order[i]]] for i in (best, -1))
    above = len(evaluation.last) - len(order)
    if above:
        yield Text(
            f"{above} of {counted(len(evaluation.last), 'engine')} are not ranked: their true RUL "
            "stays at the cap or above it, where predicting the cap is right without any skill."
        )
    passed_over = kinds["best"] != list(range(len(kinds["best"])))
    rule = "; best: of those whose true RUL falls to half the cap" if passed_over else ""
    bands = "" if evaluation.bounds is None else f"; bands: {_level(evaluation)} intervals"
    yield Plot(
        "trajectories",
        "Best, median and worst engines: predictions over the record; above each panel its engine "
        f"and its RMSE over all cycles, capped labels{rule}{bands}",
        f"Trajectories of predicted and true RUL. By RMSE over the whole record engine {first} is "
        f"best ({scores[best]:.1f} cycles), the median is {np.median(scores):.1f}, engine {last} "
        f"is worst ({scores[-1]:.1f}).",
        partial(rul_plots.plot_trajectories, evaluation),
        alone=True,
    )


def errors(model: TrainedModel, evaluation: Evaluation) -> Iterator[Part]:
    """Yield the error by true RUL and by operating condition."""
    every = np.arange(evaluation.fleet.rows)
    by_rul = {
        "last windows": breakdown.group_by_rul(evaluation, evaluation.last),
        "every window": breakdown.group_by_rul(evaluation, every),
    }
    table = breakdown.group_table(evaluation, by_rul, "true RUL")
    yield Plot(
        "error_by_band",
        "Error by true RUL, capped labels: median, quartiles, whiskers over 90 % of the windows",
        f"Box plots of the error. {_describe_groups(table)}",
        partial(breakdown.plot_error_boxes, evaluation, by_rul, "true RUL, cycles"),
    )
    yield PageTable(table)
    by_condition = {"every window": breakdown.group_by_condition(model, evaluation)}
    table = breakdown.group_table(evaluation, by_condition, "condition")
    yield Plot(
        "error_by_condition",
        "Error by operating condition (its settings) at the window's last cycle, as above",
        f"Box plots of the error. {_describe_groups(table)}",
        partial(breakdown.plot_error_boxes, evaluation, by_condition, "condition: settings"),
    )
    yield PageTable(table, beside=True)


def _describe_groups(table: Table) -> str:
    """Put the last columns of a table of errors into words, row by row."""
    groups = [f"{row[0]}: RMSE {row[-2]}, bias {row[-1]}" for row in table.rows]
    return f"By {table.head[0]}, every window: {'; '.join(groups)}."


def health(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the metrics of the health classes."""
    yield Plot(
        "confusion",
        "Confusion matrices: number of windows, and share of the true class",
        "Two matrices of true against predicted health class; on last windows "
        f"{evaluation.health.last.accuracy:.1%} lie on the diagonal.",
        partial(breakdown.plot_confusion, evaluation),
    )
    yield PageTable(health_table(evaluation), beside=True)


def intervals(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the coverage of the prediction intervals."""
    results = evaluation.intervals
    if results.facts is None:
        yield Missing(f"intervals and their coverage: {results.reason}")
        return
    shares = [
        f"{found.level:g}: {found.last.capped.coverage:.3f} of the last windows"
        for found in results.coverage
    ]
    yield Plot(
        "coverage",
        "Coverage of the intervals, capped labels; bars: 95 % binomial intervals",
        f"Coverage by level and by true RUL. At level {'; '.join(shares)}.",
        partial(breakdown.plot_coverage, results),
    )
    by_level, by_rul = coverage_tables(results)
    yield PageTable(by_level, beside=True)
    yield PageTable(by_rul)
    yield PageTable(intervals_table(results))


def prognostics(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the prognostics metrics."""
    yield PageTable(prognostics_table(evaluation))


def provenance(model: TrainedModel, evaluation: Evaluation) -> Iterator[Part]:
    """Yield the network's size, versions, digests and configuration."""
    sizes = model.network.parameter_counts()
    rows = [*([name, f"{count:,}"] for name, count in sizes.items())]
    rows.append(["all", f"{sum(sizes.values()):,}"])
    yield PageTable(Table("Parameters of the network", ["part", "parameters"], rows))
    versions = evaluation.protocol.versions
    names = list(versions["evaluated"])
    yield PageTable(
        Table(
            "Package versions",
            ["", *names],
            [[when, *(found.get(name, "–") for name in names)] for when, found in versions.items()],
        )
    )
    digests = [[name, file["sha256"]] for name, file in evaluation.protocol.digest.items()]
    own = hashlib.sha256(model.path.read_bytes()).hexdigest()
    yield PageTable(
        Table("SHA-256 of the files", ["file", "SHA-256"], [*digests, [model.path.name, own]], "ll")
    )
    lines = to_yaml(model.config, comments=False).splitlines()
    yield Lines("Resolved configuration (trains again as it is)", lines)


def _level(evaluation: Evaluation) -> str:
    assert evaluation.intervals.facts is not None
    return f"{evaluation.intervals.facts.level:.4g}"
