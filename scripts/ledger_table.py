"""The ledger as Markdown: results, significant differences, optimism of two ways of selection."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cmapss_rul.config.schema import choices
from cmapss_rul.display.table import Bold, Code, Table, to_markdown
from cmapss_rul.experiments.table import share, spread
from cmapss_rul.training.config import RunConfig

Entry = Mapping[str, Any]
_SIGNIFICANCE = (
    "A difference is significant where the paired t test over seeds rejects at 5 % after Holm's "
    "correction for all pairs of the subset and the bootstrap over test engines agrees. In "
    "brackets: 95 % intervals over seeds. A result is bold where its RMSE is significantly below "
    "every other one of its column."
)


def ledger_table(ledger: Mapping[str, Any], link: str = "configs/ledger.json") -> str:
    """Lay a ledger out for a page.

    The lowest RMSE of a column is bold only where it is significantly lower than every other
    one there, which is seldom.

    Args:
        ledger: as `ledger.read` gives it, with at least one cell.
        link: path from the page to the ledger.
    """
    cells = [cell for cell in ledger["cells"] if cell["n_seeds"]]
    proper = [cell for cell in cells if not cell["leak"]]
    parts = [
        f"From [configs/ledger.json]({link}): RMSE in cycles / NASA score, last window "
        f"of each test engine, capped labels, mean ± sd over {_seeds(proper)}.",
        _main_table(proper, ledger),
        "\n".join(f"- {line}" for line in _findings(proper, ledger["pairs"])),
        _SIGNIFICANCE if ledger["pairs"] else "",
        f"{_protocol(proper)} `scripts/rerun-cell {proper[0]['config']} {proper[0]['balancer']}` "
        "repeats a cell and checks whether it falls inside the spread.",
        _folded("Every cell: other protocols, validation, clipping, time", _long_table(cells)),
        *_optimism(ledger),
    ]
    return "\n\n".join(part for part in parts if part)


def _folded(summary: str, content: str) -> str:
    """Hide a long part behind a line that opens it; Markdown in it needs the empty lines."""
    return f"<details>\n<summary>{summary}</summary>\n\n{content}\n\n</details>"


# ---- the main table ------------------------------------------------------------------------


def _main_table(cells: Sequence[Entry], ledger: Mapping[str, Any]) -> str:
    configs = list(dict.fromkeys(cell["config"] for cell in cells))
    by_key = {(cell["config"], cell["label"]): cell for cell in cells}
    bold = {(config, _significantly_lowest(config, cells, ledger["pairs"])) for config in configs}
    ranks = ledger.get("ranks") or {"labels": [], "mean": [], "configs": []}
    mean_rank = dict(zip(ranks["labels"], ranks["mean"], strict=True))
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
    if not mean_rank:
        head, rows = head[:-1], [row[:-1] for row in rows]
    return to_markdown(Table("", head, rows))


def _result(cell: Entry) -> str:
    return f"{spread(cell['rmse'], 2)} / {spread(cell['nasa'], 0)}"


def _labels(cells: Iterable[Entry]) -> list[str]:
    """Labels in the order in which the package lists balancers, plain ones first."""
    order = [choice.name for choice in choices(RunConfig)["balancer.name"]]
    found = {cell["label"]: cell["balancer"] for cell in cells}
    return sorted(found, key=lambda label: (order.index(found[label]), len(label), label))


def _heading(config: str, cells: Iterable[Entry]) -> str:
    subset = next(cell["subset"] for cell in cells if cell["config"] == config)
    return str(subset) if config.upper() == subset else f"{config} ({subset})"


def _seeds(cells: Sequence[Entry]) -> str:
    counts = {cell["n_seeds"] for cell in cells}
    if len(counts) > 1:
        return f"{min(counts)} to {max(counts)} seeds, counted below"
    (count,) = counts
    return f"{count} seeds" if count > 1 else "one seed, which has no sd"


# ---- significant differences -----------------------------------------------------------------


def _significantly_lowest(
    config: str, cells: Sequence[Entry], pairs: Sequence[Entry]
) -> str | None:
    """Label of the cell whose RMSE is significantly below every other; None without one."""
    labels = {cell["label"] for cell in cells if cell["config"] == config}
    above: dict[str, set[str]] = {}
    for pair in pairs:
        if pair["config"] == config and pair["shown"]:
            low, high = _ordered(pair)
            above.setdefault(low, set()).add(high)
    return next((low for low, high in above.items() if high | {low} >= labels), None)


def _ordered(pair: Entry) -> tuple[str, str]:
    """Labels of a pair, the lower RMSE first."""
    a, b = pair["a"], pair["b"]
    return (a, b) if pair["paired_t"]["mean"] < 0 else (b, a)


def _findings(cells: Sequence[Entry], pairs: Sequence[Entry]) -> Iterator[str]:
    """List the significant differences of each configuration, and the number of pairs tested."""
    for config in dict.fromkeys(cell["config"] for cell in cells):
        labels = {cell["label"] for cell in cells if cell["config"] == config}
        family = [p for p in pairs if p["config"] == config and {p["a"], p["b"]} <= labels]
        significant = [pair for pair in family if pair["shown"]]
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


def _pairs(family: Sequence[Entry]) -> str:
    return f"{len(family)} pairs" if len(family) > 1 else "the one pair"


def _below(pairs: Sequence[Entry], order: Sequence[str]) -> Iterator[str]:
    """Group the differences by the cell with the higher RMSE, in the order of the table."""
    groups: dict[str, list[str]] = {}
    for pair in sorted(pairs, key=lambda pair: [order.index(label) for label in _ordered(pair)]):
        low, high = _ordered(pair)
        first, last = sorted(abs(bound) for bound in pair["paired_t"]["interval"])
        gap = abs(pair["paired_t"]["mean"])
        groups.setdefault(high, []).append(f"`{low}` by {gap:.2f} ({first:.2f} to {last:.2f})")
    for high in sorted(groups, key=order.index):
        yield f"below `{high}`: {', '.join(groups[high])}"


# ---- protocol, other metrics, optimism ------------------------------------------------------


def _protocol(cells: Sequence[Entry]) -> str:
    """Describe the protocol of all cells; where cells differ, all values are listed."""
    protocols = [cell["protocol"] for cell in cells]
    fraction = _values(f"{p['split']['fraction']:.0%}" for p in protocols)
    versions = (f"{name} {text}" for c in cells for name, text in c["versions"].items())
    return (
        f"Protocol: {_values(cell['files'] for cell in cells)}; RUL capped at "
        f"{_values(p['cap'] for p in protocols)}; windows of "
        f"{_values(p['window'] for p in protocols)} cycles, short records padded and none dropped; "
        f"{fraction} of the training {_values(p['split']['by'] for p in protocols)}, drawn by the "
        f"seed, for validation; {_also_trained_on(cells)}epoch selected by "
        f"{_values(p['selection'] for p in protocols)}; test-set evaluation once, after "
        "all runs. Versions: "
        f"{', '.join(dict.fromkeys(versions))}, commit {_values(c['commit'] for c in cells)}."
    )


def _also_trained_on(cells: Sequence[Entry]) -> str:
    """Name the auxiliary subsets that each configuration trains on."""
    others = dict.fromkeys(
        f"{' and '.join(cell['protocol']['auxiliary'])} for {_heading(cell['config'], cells)}"
        for cell in cells
        if cell["protocol"]["auxiliary"]
    )
    return f"trained also on train files of other subsets ({', '.join(others)}); " if others else ""


def _values(values: Iterable[Any]) -> str:
    return " or ".join(dict.fromkeys(str(value) for value in values))


def _long_table(cells: Sequence[Entry]) -> str:
    head = [
        "configuration", "cell", "split by", "seeds", "RMSE raw", "NASA raw", "RMSE every cycle",
        "RMSE every cycle, raw", "validation RMSE", "clipped", "epochs", "seconds",
    ]  # fmt: skip
    order = {label: place for place, label in enumerate(_labels(cells))}
    rows = [
        [
            cell["config"],
            Code(cell["label"]),
            cell["protocol"]["split"]["by"] + (" (leak)" if cell["leak"] else ""),
            str(cell["n_seeds"]),
            spread(cell["last_raw"]["rmse"], 2),
            spread(cell["last_raw"]["nasa"], 0),
            spread(cell["every_capped"]["rmse"], 2),
            spread(cell["every_raw"]["rmse"], 2),
            spread(cell["validation"]["rmse"], 2),
            share(cell["clipped_share"]),
            spread(cell["epochs"], 0),
            spread(cell["seconds"], 0),
        ]
        for cell in sorted(cells, key=lambda c: (c["config"], order[c["label"]]))
    ]
    return to_markdown(Table("", head, rows, align="lll" + "r" * (len(head) - 3)))


def _optimism(ledger: Mapping[str, Any]) -> Iterator[str]:
    oracle, leak = ledger.get("oracle") or [], ledger.get("leak") or []
    if oracle or leak:
        yield (
            "Optimism of test-set selection and of window splits, in cycles of RMSE, with 95 % "
            "intervals over seeds:"
        )
    if oracle:
        head = [
            "subset",
            "seeds",
            f"selected by validation − best test epoch ({oracle[0]['mark']})",
        ]
        rows = [[e["subset"], str(e["n_seeds"]), _interval(e["optimism"])] for e in oracle]
        yield to_markdown(Table("", head, rows))
    if leak:
        head = [
            "configuration", "cell", "seeds", "test − validation, split by windows (leak)",
            "the same, split by engines", "optimism of the leak",
        ]  # fmt: skip
        rows = [
            [
                e["config"],
                Code(e["cell"]),
                str(e["n_seeds"]),
                *(_interval(e[key]) for key in ("gap_windows", "gap_engines", "optimism")),
            ]
            for e in leak
        ]
        yield to_markdown(Table("", head, rows, align="llrrrr"))


def _interval(found: Mapping[str, Any] | None) -> str:
    """Show a mean with its interval.

    >>> _interval({"mean": 0.5, "interval": [0.25, 0.75]}), _interval(None)
    ('0.50 (0.25 to 0.75)', '–')
    """
    if found is None:
        return "–"
    if found["interval"] is None:
        return f"{found['mean']:z.2f} (one seed)"
    low, high = found["interval"]
    return f"{found['mean']:z.2f} ({low:z.2f} to {high:z.2f})"
