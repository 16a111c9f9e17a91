"""The headline of a run's report: key metrics, warnings, and results published by others."""

from collections.abc import Iterator

from cmapss_rul.display.table import Table
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.evaluation.tables import interval_cell, number
from cmapss_rul.metrics.published import (
    HONEST_BAND,
    LEAKAGE_ALARM,
    PUBLISHED,
    TRUST,
    PublishedResult,
)
from cmapss_rul.reports.page import Column, Missing, PageTable, Part, Text


def key_metrics(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Name and value of the most important metrics."""
    last, every = evaluation.metrics.last.capped, evaluation.metrics.every.capped
    interval = last.rmse_interval
    return [
        ("RMSE, last windows, capped labels", f"{number(last.rmse, 2)} cycles"),
        (
            "its 95 % interval over engines",
            "none: one engine" if interval is None else interval_cell(interval),
        ),
        ("NASA score, last windows, capped", number(last.nasa, 0)),
        ("RMSE, every window, capped labels", f"{number(every.rmse, 2)} cycles"),
    ]


def warnings_of(evaluation: Evaluation) -> Iterator[str]:
    """Yield the warnings that no reader may miss."""
    protocol = evaluation.protocol
    if not protocol.official:
        yield f"{protocol.files}: these metrics are not comparable with C-MAPSS results"
    if protocol.split.leak:
        yield f"split by windows, {protocol.split.leak}"
    if protocol.unknown_conditions:
        yield (
            f"{protocol.unknown_conditions:,} of {protocol.windows:,} windows end in an operating "
            "condition that did not occur in training"
        )
    if protocol.official and evaluation.metrics.last.capped.rmse < LEAKAGE_ALARM:
        yield (
            f"an RMSE below {LEAKAGE_ALARM:g} on the last windows suggests a leak; rule one out "
            "before using this result"
        )


def published_results(evaluation: Evaluation) -> Iterator[Part]:
    """Yield what others have published for the subset; nothing but the reason for other data."""
    protocol = evaluation.protocol
    if not protocol.official:
        yield Missing(
            f"published results, which are on C-MAPSS, whereas these data are {protocol.files}"
        )
        return
    last = evaluation.metrics.last.capped
    rows = [["this model", number(last.rmse, 2), number(last.nasa, 0), "one seed; see above"]]
    for entry in PUBLISHED:
        result = entry.results.get(protocol.subset)
        if result is not None:
            note = f"{entry.trust}: {entry.note}" if entry.note else entry.trust
            rows.append([entry.method, *_result_cells(result), note])
    low, high = HONEST_BAND[protocol.subset]
    yield Column(
        [
            Table(
                f"Results published for {protocol.subset}: RMSE in cycles and NASA score, last "
                "window; few sources state whether labels were capped",
                ["method", "RMSE", "NASA", "trust"],
                rows,
                "lrrl",
                strong=[0],
            )
        ]
    )
    yield Text(
        f"Honest protocols (engines held out, epoch selected by validation, capped labels) reach "
        f"about {low:g} to {high:g} on {protocol.subset}."
    )
    meanings = [[name, meaning] for name, meaning in TRUST.items()]
    yield PageTable(Table("Degrees of trust", ["trust", "meaning"], meanings, "ll"), folded=True)


def _result_cells(result: PublishedResult) -> list[str]:
    sd = "" if result.sd is None else f" ± {result.sd:.2f}"
    return [f"{result.rmse:.2f}{sd}", "–" if result.nasa is None else f"{result.nasa:,.0f}"]
