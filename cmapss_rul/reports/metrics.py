"""The figures of a run, what they must be compared with, and what no reader may miss."""

from collections.abc import Iterator

from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.evaluation.table import HEAD, cells, number
from cmapss_rul.metrics.published import (
    HONEST_BAND,
    LEAKAGE_ALARM,
    PUBLISHED,
    TRUST,
    PublishedResult,
)
from cmapss_rul.reports.page import Missing, Part, Table, Text

_WINDOWS = {"last": "last window of each engine", "every": "every window, one a cycle"}


def key_figures(evaluation: Evaluation) -> list[tuple[str, str]]:
    """What counts most: name and value."""
    last, every = (evaluation.metrics[windows]["capped"] for windows in ("last", "every"))
    return [
        ("RMSE, last windows, capped labels", f"{number(last['rmse'], 2)} cycles"),
        ("its 95 % interval over engines", _interval(last["rmse_interval"])),
        ("NASA score, last windows, capped", number(last["nasa"], 0)),
        ("RMSE, every window, capped labels", f"{number(every['rmse'], 2)} cycles"),
    ]


def _interval(bounds: tuple[float, float] | None) -> str:
    """Format an interval; a single engine has none."""
    if bounds is None:
        return "none: one engine"
    return f"{number(bounds[0], 1)}–{number(bounds[1], 1)}"


def warnings_of(evaluation: Evaluation) -> Iterator[str]:
    """What no reader may miss."""
    protocol = evaluation.protocol
    if not protocol.official:
        yield f"{protocol.files}: no figure here is one of C-MAPSS"
    if protocol.split["leak"]:
        yield f"split by windows, {protocol.split['leak']}"
    if protocol.unknown_conditions:
        yield (
            f"{protocol.unknown_conditions:,} of {protocol.windows:,} windows end in an operating "
            "condition that training never saw"
        )
    rmse = evaluation.metrics["last"]["capped"]["rmse"]
    if protocol.official and rmse < LEAKAGE_ALARM:
        yield (
            f"an RMSE below {LEAKAGE_ALARM:g} on the last windows is taken for a leak until it is "
            "shown to be none"
        )


def figures_table(evaluation: Evaluation) -> Table:
    """All figures of the run, by windows and labels."""
    rows = [
        [f"{_WINDOWS[windows]}; {labels} labels", *cells(values)]
        for windows, of_windows in evaluation.metrics.items()
        for labels, values in of_windows.items()
    ]
    title = (
        "RMSE, MAE and bias (predicted − true) in cycles; 95 %: interval of the RMSE by bootstrap "
        "over engines; NASA: sum of the score and its mean a window; lower is better"
    )
    return Table(title, ["windows, labels", *HEAD], rows, strong=[0])


def yardsticks_table(evaluation: Evaluation) -> Table:
    """Floors and baselines on last windows, and the run beside them."""
    rows: list[list[str]] = []
    own = []
    for labels in ("capped", "raw"):
        own.append(len(rows))
        rows.append([f"this run; {labels} labels", *cells(evaluation.metrics["last"][labels])])
        if labels == "raw":
            floor = evaluation.floors
            rows.append([f"floor: {floor['what']}", *cells(floor["last"]["raw"])])
        rows += [
            [f"{baseline['what']}; {labels} labels", *cells(baseline["last"][labels])]
            for baseline in evaluation.baselines.values()
        ]
    title = "Floor and baselines, last windows"
    return Table(title, ["what", *HEAD], rows, strong=own)


def published_parts(evaluation: Evaluation) -> Iterator[Part]:
    """What others have published for the subset; for other data than C-MAPSS why it is left out."""
    protocol = evaluation.protocol
    if not protocol.official:
        yield Missing(
            f"published figures, which are of C-MAPSS, and these data are {_not(protocol.files)}"
        )
        return
    last = evaluation.metrics["last"]["capped"]
    rows = [["this run", number(last["rmse"], 2), number(last["nasa"], 0), "one seed; see above"]]
    for entry in PUBLISHED:
        result = entry.results.get(protocol.subset)
        if result is not None:
            note = f"{entry.trust}: {entry.note}" if entry.note else entry.trust
            rows.append([entry.method, _rmse(result), _nasa(result), note])
    low, high = HONEST_BAND[protocol.subset]
    yield Table(
        f"Published for {protocol.subset}: RMSE in cycles and NASA score, last window; few say "
        "whether labels were capped",
        ["method", "RMSE", "NASA", "trust"],
        rows,
        right=False,
        strong=[0],
    )
    yield Text(
        f"Honest protocols (engines held out, the epoch chosen by validation, capped labels) reach "
        f"about {low:g} to {high:g} on {protocol.subset}."
    )
    yield Table(
        "What the degrees of trust mean",
        ["trust", "meaning"],
        [[name, meaning] for name, meaning in TRUST.items()],
        right=False,
        folded=True,
    )


def _not(files: str) -> str:
    return files.replace("not the official files", "not the official ones")


def _rmse(result: PublishedResult) -> str:
    return f"{result.rmse:.2f}" + ("" if result.sd is None else f" ± {result.sd:.2f}")


def _nasa(result: PublishedResult) -> str:
    return "–" if result.nasa is None else f"{result.nasa:,.0f}"
