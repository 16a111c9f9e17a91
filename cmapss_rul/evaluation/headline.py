"""Summary output of `rul evaluate`: result, protocol, published results, main metrics."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cmapss_rul.display.table import Table, terminal_text, to_terminal
from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.held_out import few_engines
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.evaluation.tables import interval_cell, metric_cells, number, window_names
from cmapss_rul.metrics.published import (
    HONEST_BAND,
    LEAKAGE_ALARM,
    PUBLISHED,
    REPRODUCED,
    PublishedMethod,
)

if TYPE_CHECKING:
    from rich.console import RenderableType


def render_headline(evaluation: Evaluation) -> "RenderableType":
    """Render the summary for a terminal of 80 columns."""
    from rich.console import Group

    few = few_engines(evaluation.cuts) if evaluation.cuts else ""
    paragraphs = [
        verdict(evaluation),
        *([f"Warning: {few}."] if few else []),
        f"Protocol: {evaluation.protocol.summary()}.",
        published_comparison(evaluation),
    ]
    return Group(*map(terminal_text, paragraphs), to_terminal(headline_table(evaluation)))


def verdict(evaluation: Evaluation) -> str:
    """Return one sentence: the RMSE, its interval, and the comparison with two constants."""
    # last windows, as in publications; random cuts if there are whole held-out records
    protocol, baselines, cuts = evaluation.protocol, evaluation.baselines, evaluation.cuts
    last = evaluation.metrics.last.capped if cuts is None else cuts
    interval = interval_cell(last.rmse_interval) if last.rmse_interval else "none for one engine"
    train, test = baselines.train_mean.metrics.last.capped, baselines.test_mean.metrics.last.capped
    constants = {
        "the mean training label (RMSE {})": train.rmse if cuts is None else cuts.train_mean_rmse,
        "the mean test label (RMSE {}, unknown in practice)": (
            test.rmse if cuts is None else cuts.test_mean_rmse
        ),
    }
    found: dict[str, list[str]] = {"better than": [], "not better than": []}
    for name, rmse in constants.items():
        found["better than" if last.rmse < rmse else "not better than"].append(
            name.format(number(rmse, 2))
        )
    comparisons = [f"{verb} {' and '.join(names)}" for verb, names in found.items() if names]
    where = protocol.scored_at if cuts is None else "random cuts"
    labels = "capped" if protocol.capping.startswith("capped") else "uncapped"
    engines = protocol.engines if cuts is None else cuts.engines
    marks = f" Optimistic: {'; '.join(protocol.marks)}." if protocol.marks else ""
    whose = "" if protocol.ensemble is None else f" of an {protocol.ensemble}"
    return (
        f"RMSE {number(last.rmse, 2)} {protocol.unit} (95 % interval {interval}){whose} at {where} "
        f"of {counted(engines, 'test engine')} of {protocol.subset}, {labels} labels; "
        f"{', but '.join(comparisons)} as constant predictions.{marks}"
    )


def published_comparison(evaluation: Evaluation) -> str:
    """Compare with the best reproduced published result, or explain why they do not compare."""
    protocol, last = evaluation.protocol, evaluation.metrics.last.capped
    if not protocol.official:
        return (
            f"Not comparable with published results: those are on {protocol.data_set}, whereas "
            f"these data are {protocol.files}."
        )
    if protocol.marks:
        # the first mark suffices: `verdict`, printed above, has all of them
        return f"Not comparable with published results: {protocol.marks[0]}."
    # few papers state their protocol, so compare with reproduced results only
    on_subset = [entry for entry in PUBLISHED if protocol.subset in entry.results]
    reproduced = [entry for entry in on_subset if entry.trust in REPRODUCED]
    if not reproduced:
        return _unreproduced(on_subset, protocol.subset, protocol.unit)
    reasons = [protocol.setup.why_not_comparable(entry.setup) for entry in reproduced]
    comparable = [
        (entry.results[protocol.subset].rmse, entry.method)
        for entry, reason in zip(reproduced, reasons, strict=True)
        if not reason
    ]
    if not comparable:
        # both reproduced results have the same setup, hence the same reason
        return f"Not comparable with reproduced published results, which are {reasons[0]}."
    rmse, method = min(comparable)
    # *measured*: over 100 engines the interval spans 4 cycles; smaller differences mean nothing
    low, high = last.rmse_interval or (last.rmse, last.rmse)
    if low <= rmse <= high:
        place = "inside this interval, so no difference is shown"
    else:
        place = "above this interval" if rmse > high else "below this interval"
    return f"Best reproduced published result: {rmse:.2f} ({method}), {place}."


def _unreproduced(entries: list[PublishedMethod], subset: str, unit: str) -> str:
    """List published results, none of which is reproduced."""
    results = [(entry.method, entry.results[subset]) for entry in entries]
    listed = "; ".join(f"{method} {result.text}" for method, result in results)
    return (
        f"No published result on {subset} is known to be reproduced by others"
        + (f"; as published, RMSE in {unit}: {listed}" if listed else "")
        + "."
    )


def warnings_of(evaluation: Evaluation) -> Iterator[str]:
    """Yield the warnings to print at the top of a report or model card."""
    protocol = evaluation.protocol
    if not protocol.official:
        yield f"{protocol.files}: these metrics are not comparable with {protocol.data_set} results"
    yield from protocol.marks
    if evaluation.cuts is not None and (few := few_engines(evaluation.cuts)):
        yield few
    if protocol.unknown_conditions:
        yield (
            f"{protocol.unknown_conditions:,} of {protocol.windows:,} windows end in an operating "
            "condition that did not occur in training"
        )
    known = protocol.official and protocol.subset in HONEST_BAND
    if known and evaluation.metrics.last.capped.rmse < LEAKAGE_ALARM:
        yield (
            f"an RMSE below {LEAKAGE_ALARM:g} on the last windows suggests a leak; rule one out "
            "before using this result"
        )


def headline_table(evaluation: Evaluation) -> Table:
    """Tabulate the main metrics by windows and labels.

    Omits the NASA score of every window on raw labels: it grows exponentially with the error, and
    most windows of a long record have a RUL above the cap, so it measures the cap, not the model.
    """
    rows, names = [], window_names(evaluation)
    for windows, by_labels in evaluation.metrics.items():
        for labels, found in by_labels.items() if windows in names else ():
            *cells, nasa, _ = metric_cells(found)
            shown = "–" if (windows, labels) == ("every", "raw") else nasa
            rows.append([f"{names[windows]}, {labels}", *cells, shown])
    boosting = evaluation.baselines.gradient_boosting
    if boosting is not None:
        *cells, nasa, _ = metric_cells(boosting.metrics.last.capped)
        rows.append([f"gradient boosting: {names['last']}, capped", *cells, nasa])
    notes = [
        f"RMSE, MAE and bias (predicted − true) in {evaluation.protocol.unit}. –: dominated by "
        "windows whose RUL is above the cap; --full prints it, with all other metrics."
    ]
    head = ["windows, labels", "RMSE", "95 % CI", "MAE", "bias", "NASA score"]
    return Table("", head, rows, "", notes, strong=[0])
