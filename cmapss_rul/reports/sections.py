"""Sections of a run report that show the evaluation."""

import hashlib
from collections.abc import Iterator
from functools import partial

import numpy as np

from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.display.table import Bold, Table
from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.protocol import LAST_WINDOWS
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.evaluation.tables import (
    baselines_table,
    coverage_tables,
    health_table,
    held_out_tables,
    intervals_table,
    metrics_table,
    number,
    prognostics_table,
    protocol_table,
    units_tables,
    window_names,
)
from cmapss_rul.metrics.published import HONEST_BAND, PUBLISHED, TRUST
from cmapss_rul.reports import breakdown, rul_plots
from cmapss_rul.reports.breakdown import Groups, group_by_condition, group_by_rul
from cmapss_rul.reports.page import Column, Lines, Missing, PageTable, Part, Plot, Text
from cmapss_rul.reports.rul_plots import LastWindows
from cmapss_rul.training.trained_model import TrainedModel


def metrics(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the test metrics and their protocol."""
    by_unit = units_tables(evaluation)
    yield Column([*held_out_tables(evaluation), metrics_table(evaluation), *by_unit])
    yield Column([protocol_table(evaluation)])


def baselines(evaluation: Evaluation) -> Iterator[Part]:
    """Yield baselines and published results."""
    yield Column([baselines_table(evaluation)])
    yield from published_results(evaluation)


def published_results(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the published results for the subset, or a notice for unofficial data."""
    protocol = evaluation.protocol
    # published results would invite a comparison that is not valid for these data
    if not protocol.official:
        yield Missing(
            f"published results: they are for {protocol.data_set}, these data are {protocol.files}"
        )
        return
    last = evaluation.metrics.last.capped
    rows: list[list[str]] = [
        [
            "this model",
            number(last.rmse, 2),
            number(last.nasa, 0),
            "",
            f"{protocol.ensemble or 'one run'}, one seed; see above",
        ]
    ]
    groups: dict[bool, list[list[str]]] = {True: [], False: []}
    for entry in PUBLISHED:
        result = entry.results.get(protocol.subset)
        if result is not None:
            reason = protocol.setup.why_not_comparable(entry.setup)
            note = f"{entry.trust}: {entry.note}" if entry.note else entry.trust
            nasa = "–" if result.nasa is None else f"{result.nasa:,.0f}"
            groups[not reason].append([entry.method, result.text, nasa, reason, note])
    for comparable, heading in ((True, "comparable"), (False, "not comparable, because …")):
        if groups[comparable]:
            rows += [[Bold(heading)], *groups[comparable]]
    where = protocol.scored_at.removeprefix("the ").removesuffix("s")
    title = (
        f"Published results for {protocol.subset}: RMSE in {protocol.unit} and NASA score, "
        f"{where}; comparable: same training data, inputs, labels and selection of the epoch"
    )
    head = ["method", "RMSE", "NASA", "reason", "trust"]
    yield PageTable(Table(title, head, rows, "lrrll", strong=[0]))
    if band := HONEST_BAND.get(protocol.subset):
        yield Text(
            f"Honest protocols (engines held out, epoch selected by validation, capped labels) "
            f"reach about {band[0]:g} to {band[1]:g} on {protocol.subset}."
        )
    meanings = [[name, meaning] for name, meaning in TRUST.items()]
    yield PageTable(Table("Degrees of trust", ["trust", "meaning"], meanings, "ll"), folded=True)


def lead_plot(evaluation: Evaluation, last: LastWindows) -> Plot:
    """Return the plot of predicted against true RUL at the last window of each engine."""
    return Plot(
        "predicted_against_true",
        f"Predicted against true RUL at {last.where.removesuffix('s')} of each engine; dashed: "
        f"perfect predictions up to the cap{_interval_caption(evaluation)}",
        f"Scatter plot. {_describe_errors(last)}",
        partial(rul_plots.plot_against_true, last),
    )


def predictions(evaluation: Evaluation, last: LastWindows) -> Iterator[Part]:
    """Yield predicted and true RUL of each engine."""
    if last.bounds is None:
        yield Missing(f"intervals: {evaluation.intervals.reason}")
    yield Text(_describe_errors(last))
    yield Plot(
        "sorted_by_true",
        f"Engines by ascending true RUL{_interval_caption(evaluation)}",
        "Predictions along the ascending line of true RUL.",
        partial(rul_plots.plot_sorted, last),
        wide=True,
    )
    yield Plot(
        "by_engine",
        f"Engines by name; grey: error{_interval_caption(evaluation)}",
        "True and predicted RUL of each engine in the order of the file.",
        partial(rul_plots.plot_engines, last),
        wide=True,
    )
    yield PageTable(_engines_table(evaluation, last), folded=True)


def _describe_errors(last: LastWindows) -> str:
    # at 10 cycles late the NASA score reaches e − 1
    near = int((abs(last.error) <= 10).sum())
    late, early = int(np.argmax(last.error)), int(np.argmin(last.error))
    return (
        f"{counted(len(set(last.engine.tolist())), 'test engine')}, "
        f"{last.where.removeprefix('the ')}: {near} within 10 {last.unit} of the capped label; "
        f"latest prediction: engine {last.engine[late]} ({last.error[late]:+.1f} {last.unit}), "
        f"earliest: engine {last.engine[early]} ({last.error[early]:+.1f})."
    )


def _engines_table(evaluation: Evaluation, last: rul_plots.LastWindows) -> Table:
    head = ["engine", "cycle", "true, raw", "true, capped", "predicted", "error"]
    columns = [
        last.engine, evaluation.predictions.cycle[evaluation.scored], last.raw, last.true,
        [f"{value:.1f}" for value in last.predicted], [f"{value:+.1f}" for value in last.error],
    ]  # fmt: skip
    if last.bounds is not None:
        head += ["lower", "upper"]
        columns += [[f"{value:.1f}" for value in bound] for bound in last.bounds]
    padded = evaluation.predictions.padded[evaluation.scored]
    columns.append(["yes" if short else "" for short in padded])
    rows = [[str(cell) for cell in row] for row in zip(*columns, strict=True)]
    what = "Every engine at its last window" if last.where == LAST_WINDOWS else "Every flight"
    return Table(f"{what}, {last.unit}", [*head, "padded"], rows)


def trajectories(evaluation: Evaluation) -> Iterator[Part]:
    """Yield predictions over the records of the best, median and worst engines."""
    order, scores = rul_plots.rank_engines(evaluation)
    if not len(order):
        yield Missing("trajectories: the true RUL of no test engine falls below the cap")
        return
    kinds = rul_plots.trajectory_ranks(evaluation, order)
    best = kinds["best"][0]
    # not always rank 0: easy records are skipped, see `select_ranks`
    first, last = (evaluation.predictions.engine[evaluation.last[order[i]]] for i in (best, -1))
    above = len(evaluation.last) - len(order)
    if above:
        yield Text(
            f"{above} of {counted(len(evaluation.last), 'engine')} are not ranked: their true RUL "
            "never falls below the cap, so that always predicting the cap is right."
        )
    passed_over = kinds["best"] != list(range(len(kinds["best"])))
    rule = "; best: among those whose true RUL falls to half the cap" if passed_over else ""
    yield Plot(
        "trajectories",
        "Engines with the lowest, the median and the highest RMSE over their record, capped labels"
        f"{rule}{_interval_caption(evaluation)}",
        f"Trajectories of predicted and true RUL. By RMSE over the whole record engine {first} is "
        f"best ({scores[best]:.1f} {evaluation.protocol.unit}), the median is "
        f"{np.median(scores):.1f}, engine {last} is worst ({scores[-1]:.1f}).",
        partial(rul_plots.plot_trajectories, evaluation),
        wide=True,
    )


def errors(model: TrainedModel, evaluation: Evaluation) -> Iterator[Part]:
    """Yield the error by true RUL and, if there are several, by operating condition."""
    every = np.arange(evaluation.fleet.rows)  # a window ends at each row
    by_rul = {
        name: group_by_rul(evaluation, evaluation.scored if windows == "last" else every)
        for windows, name in _panels(evaluation)
    }
    whiskers = "capped labels: median, quartiles, whiskers over 90 % of the windows"
    by = f"true RUL, {evaluation.protocol.unit}"
    yield from _error_boxes("error_by_band", whiskers, evaluation, by_rul, by)
    conditions = group_by_condition(model, evaluation)
    if len(conditions) > 1:  # a single condition would repeat the plot above
        label = f"condition: settings at the last {evaluation.protocol.row}"
        by_condition = {"every window": conditions}
        yield from _error_boxes("error_by_condition", whiskers, evaluation, by_condition, label)


def _panels(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the sets of windows and their titles, the panels of a plot."""
    where = evaluation.protocol.scored_at.removeprefix("the ")
    both = [("last", where), ("every", "every window")]
    return [panel for panel in both if panel[0] in window_names(evaluation)]


def _error_boxes(
    name: str, whiskers: str, evaluation: Evaluation, panels: dict[str, Groups], label: str
) -> Iterator[Part]:
    # 'true RUL, cycles' → 'true RUL'
    group, *_ = label.split(",")
    table = breakdown.group_table(evaluation, panels, group)
    # RMSE and bias of the last panel, every window
    groups = [f"{row[0]}: RMSE {row[-2]}, bias {row[-1]}" for row in table.rows]
    yield Plot(
        name,
        f"Error by {label}; {whiskers}",
        f"Box plots of the error. By {group}, every window: {'; '.join(groups)}.",
        partial(breakdown.plot_error_boxes, evaluation, panels, label),
    )
    yield Column([table])


def health(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the metrics of the health classification."""
    yield Plot(
        "confusion",
        "Confusion matrices: number of windows, and share of the true class",
        f"True against predicted health class; at {evaluation.protocol.scored_at} "
        f"{evaluation.health.last.accuracy:.1%} are on the diagonal.",
        partial(breakdown.plot_confusion, evaluation),
    )
    yield Column([health_table(evaluation)])


def intervals(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the coverage of the prediction intervals."""
    results = evaluation.intervals
    if results.facts is None:
        yield Missing(f"intervals and their coverage: {results.reason}")
        return
    shares = [
        f"{entry.level:g}: {entry.last.capped.coverage:.3f} of {evaluation.protocol.scored_at}"
        for entry in results.coverage
    ]
    yield Plot(
        "coverage",
        "Coverage of the intervals, capped labels; bars: 95 % binomial intervals",
        f"Coverage by level and by true RUL. At level {'; '.join(shares)}.",
        partial(
            breakdown.plot_coverage, results, evaluation.protocol.unit, window_names(evaluation)
        ),
    )
    yield Column(coverage_tables(evaluation))
    yield PageTable(intervals_table(results))


def prognostics(evaluation: Evaluation) -> Iterator[Part]:
    """Yield the prognostics metrics."""
    yield PageTable(prognostics_table(evaluation))


def provenance(model: TrainedModel, evaluation: Evaluation) -> Iterator[Part]:
    """Yield network size, versions, digests and configuration."""
    sizes = model.network.parameter_counts()
    rows = [*([name, f"{count:,}"] for name, count in sizes.items())]
    rows.append(["all", f"{sum(sizes.values()):,}"])
    yield Column([Table("Parameters of the network", ["part", "parameters"], rows)])
    versions = evaluation.protocol.versions
    names = list(versions["evaluated"])
    rows = [[when, *(each.get(name, "–") for name in names)] for when, each in versions.items()]
    yield Column([Table("Package versions", ["", *names], rows)])
    digests = [[name, file.sha256] for name, file in evaluation.protocol.digest.items()]
    digests.append([model.path.name, hashlib.sha256(model.path.read_bytes()).hexdigest()])
    yield PageTable(Table("SHA-256 of the files", ["file", "SHA-256"], digests, "ll"))
    lines = to_yaml(model.config, comments=False).splitlines()
    yield Lines("Resolved configuration (can be used with rul train --config)", lines, code=True)


def _interval_caption(evaluation: Evaluation) -> str:
    facts = evaluation.intervals.facts
    return "" if facts is None else f"; blue: {facts.level:.4g} intervals"
