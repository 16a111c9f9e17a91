"""The ledger as Markdown: results, significant differences, optimism of selection and of leaks."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cmapss_rul.config.schema import models_in, tags
from cmapss_rul.display.table import Bold, Code, Table, to_markdown
from cmapss_rul.experiments.results import Ledger, MeanInterval, Pair, equivalence_findings
from cmapss_rul.experiments.summaries import CellProtocol, CellSummary, marked_config
from cmapss_rul.experiments.table import show_share, show_spread
from cmapss_rul.training.config import RunConfig, load_config
from cmapss_rul.training.gradient_boosting import GRADIENT_BOOSTING

_SIGNIFICANCE = (
    "A difference is significant where the paired t test over seeds rejects at 5 % after Holm's "
    "correction for all pairs of the subset and the bootstrap over test engines agrees. In "
    "brackets: 95 % intervals over seeds. A result is bold where its RMSE is significantly below "
    "every other one of its column."
)


def ledger_table(ledger: Ledger, link: str = "configs/ledger.json") -> str:
    """Render a ledger as Markdown.

    The lowest RMSE of a column is bold only if it is significantly lower than all others, which
    is rare.

    Args:
        ledger: ledger with at least one cell.
        link: path from the page to the ledger.
    """
    cells = [cell for cell in ledger.cells if cell.n_seeds]
    # a leak is not a result of a method: it is listed below, marked
    proper = [cell for cell in cells if not cell.leak]
    parts = [
        f"From [configs/ledger.json]({link}): RMSE in cycles / NASA score, last window "
        f"of each test engine, capped labels, mean ± sd over {_seeds(proper, 'below')}.",
        *_main_tables(proper, ledger),
        "\n".join(f"- {line}" for line in _findings(proper, ledger.pairs)),
        _SIGNIFICANCE if ledger.pairs else "",
        f"{_protocol(proper)} `scripts/rerun-cell {proper[0].config} {proper[0].balancer}` "
        "repeats a cell and checks whether it falls inside the spread.",
        _folded("Every cell: raw labels, every cycle, validation, clipping", _long_table(cells)),
        *_optimism(ledger),
    ]
    return "\n\n".join(part for part in parts if part)


def summary_table(ledger: Ledger) -> str:
    """Tabulate the results of the configurations as shipped, one row per subset, for the README."""
    cells = [
        cell
        for cell in ledger.cells
        if cell.n_seeds
        # fd001 to fd004 as shipped, or the same without the cycle count as an input
        and set(cell.settings) <= {"data.cycle_count"}
        and cell.config == cell.subset.lower()
        and (
            cell.balancer == load_config(cell.config).balancer.name
            or (cell.balancer == GRADIENT_BOOSTING and not cell.settings)
        )
    ]
    if not cells:
        return "No configuration as shipped is in `configs/ledger.json` yet."
    kinds = {(cell.subset, _kind(cell)): cell for cell in cells}
    others = list(dict.fromkeys(kind for kind in map(_kind, cells) if kind))
    rows = [
        [
            subset,
            show_spread(cell.rmse, 2),
            show_spread(cell.nasa, 0),
            show_spread(cell.last_raw.rmse, 2),
            *(_result(kinds[subset, kind]) if (subset, kind) in kinds else "" for kind in others),
        ]
        for (subset, variant), cell in kinds.items()
        if not variant
    ]
    head = ["subset", "RMSE", "NASA score", "RMSE, raw labels", *others]
    caption = (
        "Each configuration trains on its own subset alone, with the cycle count as an input as "
        "shipped. From `configs/ledger.json`: last window of each test engine, labels capped at "
        f"{_values(c.protocol.cap for c in cells if c.protocol)} cycles, mean ± sd over "
        f"{_seeds(cells, 'in docs/results.md')}"
        + ("; the last columns are RMSE / NASA score." if others else ".")
    )
    return f"{caption}\n\n{to_markdown(Table('', head, rows, align='l' + 'r' * len(head[1:])))}"


def _kind(cell: CellSummary) -> str:
    """Return the heading of a variant in the README table; empty for a configuration as shipped."""
    if not cell.configuration["data"]["cycle_count"]:
        return "without cycle count"
    return GRADIENT_BOOSTING if cell.balancer == GRADIENT_BOOSTING else ""


def _folded(summary: str, content: str) -> str:
    """Collapse a long part under a summary line; Markdown inside needs the empty lines."""
    return f"<details>\n<summary>{summary}</summary>\n\n{content}\n\n</details>"


# ---- the main table ------------------------------------------------------------------------


def _main_tables(cells: Sequence[CellSummary], ledger: Ledger) -> Iterator[str]:
    """Yield tables of cells trained on the subset alone, of ensembles, and of the others."""
    # more training data or networks is another protocol, so these results are in separate tables
    titles = {
        (False, False): "Trained on the subset alone:",
        (False, True): "Ensembles over folds, trained on the subset alone:",
        (True, False): "Trained on another subset too:",
    }
    for kind, title in titles.items():
        group = [cell for cell in cells if (bool(cell.auxiliary), _folds(cell) > 0) == kind]
        if group:
            yield title
            yield _main_table(group, ledger)


def _folds(cell: CellSummary) -> int:
    return int(cell.configuration.get("split", {}).get("folds") or 0)


def _main_table(cells: Sequence[CellSummary], ledger: Ledger) -> str:
    configs = list(dict.fromkeys(cell.config for cell in cells))
    by_key = {cell.key: cell for cell in cells}
    # (config, None) matches no label: no cell is significantly below all others
    bold = {(config, _significantly_lowest(config, cells, ledger.pairs)) for config in configs}
    ranks = ledger.ranks
    mean_rank = {} if ranks is None else dict(zip(ranks.labels, ranks.mean, strict=True))
    rows = []
    for label in _labels(cells):
        row: list[str] = [Code(label)]
        for config in configs:
            cell = by_key.get((config, label))
            text = "" if cell is None else _result(cell)
            row.append(Bold(text) if (config, label) in bold else text)
        rank = mean_rank.get(label)
        rows.append([*row, "" if rank is None else f"{rank:.2f}"])
    head = ["balancer", *(_heading(config, cells) for config in configs), "mean rank"]
    if not mean_rank:  # an empty column would suggest that ranks are missing
        head, rows = head[:-1], [row[:-1] for row in rows]
    return to_markdown(Table("", head, rows))


def _result(cell: CellSummary) -> str:
    return f"{show_spread(cell.rmse, 2)} / {show_spread(cell.nasa, 0)}"


def _labels(cells: Iterable[CellSummary]) -> list[str]:
    """Return the labels in the order of the package's balancers, those without settings first."""
    members = models_in(RunConfig.model_fields["balancer"].annotation)
    order = [tag for member in members for tag in tags(member)]
    found = {cell.label: cell.balancer for cell in cells}
    # the shortest label of a balancer is the one without settings
    order.append(GRADIENT_BOOSTING)  # the baseline last
    return sorted(found, key=lambda label: (order.index(found[label]), len(label), label))


def _heading(config: str, cells: Iterable[CellSummary]) -> str:
    cell = next(cell for cell in cells if cell.config == config)
    if cell.auxiliary:
        return f"{cell.subset} + {' + '.join(cell.auxiliary)}"
    if folds := _folds(cell):
        return f"{cell.subset}, {folds} folds"
    return str(cell.subset) if config.upper() == cell.subset else f"{config} ({cell.subset})"


def _seeds(cells: Sequence[CellSummary], where: str) -> str:
    counts = {cell.n_seeds for cell in cells}
    if len(counts) > 1:
        return f"{min(counts)} to {max(counts)} seeds, counted {where}"
    (count,) = counts
    return f"{count} seeds" if count > 1 else "one seed, which has no sd"


# ---- significant differences -----------------------------------------------------------------


def _significantly_lowest(
    config: str, cells: Sequence[CellSummary], pairs: Sequence[Pair]
) -> str | None:
    """Return the label of the cell whose RMSE is significantly below every other, or None."""
    labels = {cell.label for cell in cells if cell.config == config}
    above: dict[str, set[str]] = {}
    for pair in pairs:
        if pair.config == config and pair.shown:
            low, high = _ordered(pair)
            above.setdefault(low, set()).add(high)
    return next((low for low, high in above.items() if high | {low} >= labels), None)


def _ordered(pair: Pair) -> tuple[str, str]:
    """Return the labels of a pair, the lower RMSE first."""
    return (pair.a, pair.b) if _test(pair).mean < 0 else (pair.b, pair.a)


def _test(pair: Pair) -> MeanInterval:
    assert pair.paired_t is not None, "a significant pair has a test"
    return pair.paired_t


def _findings(cells: Sequence[CellSummary], pairs: Sequence[Pair]) -> Iterator[str]:
    """List the significant differences of each configuration, and the number of pairs tested."""
    for config in dict.fromkeys(cell.config for cell in cells):
        labels = {cell.label for cell in cells if cell.config == config}
        family = [p for p in pairs if p.config == config and {p.a, p.b} <= labels]
        significant = [pair for pair in family if pair.shown]
        if not family:
            continue
        heading = _heading(config, cells)
        if significant:
            details = "; ".join(_below(significant, _labels(cells)))
            count = f"{len(significant)} of {_pairs(family)}"
            yield f"{heading}: a significant difference in {count}: {details}."
        else:
            any_of = "any of " if len(family) > 1 else ""
            yield f"{heading}: no significant difference in {any_of}{_pairs(family)}."
        yield from equivalence_findings(family, {config: heading})


def _pairs(family: Sequence[Pair]) -> str:
    return f"{len(family)} pairs" if len(family) > 1 else "the one pair"


def _below(pairs: Sequence[Pair], order: Sequence[str]) -> Iterator[str]:
    """Group the differences by the cell with the higher RMSE, in the order of the table."""
    groups: dict[str, list[str]] = {}
    for pair in sorted(pairs, key=lambda pair: [order.index(label) for label in _ordered(pair)]):
        low, high = _ordered(pair)
        # as positive amounts: the interval of a significant difference does not contain 0
        first, last = sorted(abs(bound) for bound in _test(pair).interval or ())
        gap = abs(_test(pair).mean)
        groups.setdefault(high, []).append(f"`{low}` by {gap:.2f} ({first:.2f} to {last:.2f})")
    for high in sorted(groups, key=order.index):
        yield f"below `{high}`: {', '.join(groups[high])}"


# ---- protocol, other metrics, optimism ------------------------------------------------------


def _protocol(cells: Sequence[CellSummary]) -> str:
    """Describe the protocol of all cells; if cells differ, all values are listed."""
    protocols = [_protocol_of(cell) for cell in cells]
    fraction = _values(f"{p.split.fraction:.0%}" for p in protocols)
    versions = (f"{name} {text}" for c in cells for name, text in c.versions.items())
    return (
        f"Protocol: {_values(cell.files for cell in cells)}; RUL capped at "
        f"{_values(p.cap for p in protocols)}; windows of "
        f"{_values(p.window for p in protocols)} cycles, short records padded and none dropped; "
        f"{fraction} of the training {_values(p.split.by for p in protocols)}, drawn by the "
        f"seed, for validation; {_also_trained_on(cells)}epoch selected by "
        f"{_values(p.selection for p in protocols)}; test-set evaluation once, after "
        "all runs. Versions: "
        f"{', '.join(dict.fromkeys(versions))}, {_commits(cells)}."
    )


def _commits(cells: Iterable[CellSummary]) -> str:
    """List the commits of all cells by their first seven digits."""
    texts = (text for cell in cells for text in (cell.commit or "unknown").split(", "))
    # whole hashes only: 'unknown' and 'with changes' are not shortened
    names = dict.fromkeys(re.sub(r"\b([0-9a-f]{7})[0-9a-f]{33}\b", r"\1", text) for text in texts)
    return f"commit{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _protocol_of(cell: CellSummary) -> CellProtocol:
    assert cell.protocol is not None, "a cell with runs has a protocol"
    return cell.protocol


def _also_trained_on(cells: Sequence[CellSummary]) -> str:
    """List the auxiliary subsets of each configuration."""
    others = dict.fromkeys(
        f"{' and '.join(_protocol_of(cell).auxiliary)} for {cell.subset}"
        for cell in cells
        if _protocol_of(cell).auxiliary
    )
    return (
        f"trained also on training files of other subsets ({', '.join(others)}); " if others else ""
    )


def _values(values: Iterable[Any]) -> str:
    return " or ".join(dict.fromkeys(str(value) for value in values))


def _long_table(cells: Sequence[CellSummary]) -> str:
    head = [
        "configuration", "cell", "seeds", "RMSE raw", "NASA raw", "RMSE every cycle",
        "validation RMSE", "clipped",
    ]  # fmt: skip
    order = {label: place for place, label in enumerate(_labels(cells))}
    rows = [
        [
            marked_config(cell) + (" (leak)" if cell.leak else ""),
            Code(cell.label),
            str(cell.n_seeds),
            show_spread(cell.last_raw.rmse, 2),
            show_spread(cell.last_raw.nasa, 0),
            show_spread(cell.every_capped.rmse, 2),
            show_spread(cell.validation.rmse, 2),
            show_share(cell.clipped_share),
        ]
        for cell in sorted(cells, key=lambda c: (c.config, order[c.label]))
    ]
    return to_markdown(Table("", head, rows, align="ll" + "r" * (len(head) - 2)))


def _optimism(ledger: Ledger) -> Iterator[str]:
    oracle, leak = ledger.oracle, ledger.leak
    if oracle or leak:
        yield (
            "Optimism of test-set selection and of window splits, in cycles of RMSE, with 95 % "
            "intervals over seeds:"
        )
    if oracle:
        head = ["subset", "seeds", f"selected by validation − best test epoch ({oracle[0].mark})"]
        rows = [[e.subset, str(e.n_seeds), _interval(e.optimism)] for e in oracle]
        yield to_markdown(Table("", head, rows))
    if leak:
        head = [
            "configuration", "cell", "seeds", "test − validation, split by windows (leak)",
            "the same, split by engines", "optimism of the leak",
        ]  # fmt: skip
        rows = [
            [e.config, Code(e.cell), str(e.n_seeds)]
            + [_interval(gap) for gap in (e.gap_windows, e.gap_engines, e.optimism)]
            for e in leak
        ]
        yield to_markdown(Table("", head, rows, align="llrrrr"))


def _interval(found: MeanInterval | None) -> str:
    """Format a mean with its interval.

    >>> gap = MeanInterval(n=3, mean=0.5, sd=0.1, interval=(0.25, 0.75), t=8.6, p=0.01)
    >>> _interval(gap), _interval(None)
    ('0.50 (0.25 to 0.75)', '–')
    """
    if found is None:
        return "–"
    if found.interval is None:
        return f"{found.mean:z.2f} (one seed)"
    low, high = found.interval
    # z: a small negative number is shown as 0.00, not as -0.00
    return f"{found.mean:z.2f} ({low:z.2f} to {high:z.2f})"
