"""The ledger as Markdown, for the README: figures, what they show, and two ways of choosing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cmapss_rul.config.schema import choices
from cmapss_rul.display.markdown import folded, table
from cmapss_rul.experiments.table import share, spread
from cmapss_rul.training.config import RunConfig

Entry = Mapping[str, Any]
_HOW_SHOWN = (
    "Shown means: the paired t test over seeds holds at 5 % after Holm's correction for all pairs "
    "of the subset, and the bootstrap over test engines agrees. In brackets: 95 % intervals over "
    "seeds. A figure is bold where it is shown to be below every other one of its column."
)


def as_markdown(ledger: Mapping[str, Any]) -> str:
    """Lay a ledger out for a page.

    The lowest RMSE of a column is bold only where it is shown to be lower than every other
    one there, which is seldom.

    Args:
        ledger: as `ledger.read` gives it, with at least one cell.
    """
    cells = [cell for cell in ledger["cells"] if cell["n_seeds"]]
    honest = [cell for cell in cells if not cell["leak"]]
    parts = [
        "From [configs/ledger.json](configs/ledger.json): RMSE in cycles / NASA score, last window "
        f"of each test engine, capped labels, mean ± sd over {_seeds(honest)}.",
        _main_table(honest, ledger),
        "\n".join(f"- {line}" for line in _findings(honest, ledger["pairs"])),
        _HOW_SHOWN if ledger["pairs"] else "",
        f"{_protocol(honest)} `scripts/rerun-cell {honest[0]['config']} {honest[0]['balancer']}` "
        "makes a cell again and says whether it falls inside the spread.",
        folded("Every cell: other protocols, validation, clipping, time", _long_table(cells)),
        *_optimism(ledger),
    ]
    return "\n\n".join(part for part in parts if part)


# ---- the main table ------------------------------------------------------------------------


def _main_table(cells: Sequence[Entry], ledger: Mapping[str, Any]) -> str:
    configs = list(dict.fromkeys(cell["config"] for cell in cells))
    by_place = {(cell["config"], cell["label"]): cell for cell in cells}
    bold = {(config, _shown_lowest(config, cells, ledger["pairs"])) for config in configs}
    ranks = ledger.get("ranks") or {"labels": [], "mean": [], "configs": []}
    mean_rank = dict(zip(ranks["labels"], ranks["mean"], strict=True))
    rows = []
    for label in _labels(cells):
        row = [f"`{label}`"]
        for config in configs:
            cell = by_place.get((config, label))
            text = "" if cell is None else _figures(cell)
            row.append(f"**{text}**" if (config, label) in bold else text)
        rank = mean_rank.get(label)
        rows.append([*row, "" if rank is None else f"{rank:.2f}"])
    head = ["balancer", *(_heading(config, cells) for config in configs), "mean rank"]
    if not mean_rank:
        head, rows = head[:-1], [row[:-1] for row in rows]
    return table(head, rows, right=range(1, len(head)))


def _figures(cell: Entry) -> str:
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


# ---- what the figures show -----------------------------------------------------------------


def _shown_lowest(config: str, cells: Sequence[Entry], pairs: Sequence[Entry]) -> str | None:
    """Label of the cell that is shown to have a lower RMSE than every other; None without one."""
    labels = {cell["label"] for cell in cells if cell["config"] == config}
    beaten: dict[str, set[str]] = {}
    for pair in pairs:
        if pair["config"] == config and pair["shown"]:
            low, high = _ordered(pair)
            beaten.setdefault(low, set()).add(high)
    return next((low for low, high in beaten.items() if high | {low} >= labels), None)


def _ordered(pair: Entry) -> tuple[str, str]:
    """Labels of a pair, the lower RMSE first."""
    a, b = pair["a"], pair["b"]
    return (a, b) if pair["paired_t"]["mean"] < 0 else (b, a)


def _findings(cells: Sequence[Entry], pairs: Sequence[Entry]) -> Iterator[str]:
    """Say of each configuration which differences are shown, and of how many pairs."""
    for config in dict.fromkeys(cell["config"] for cell in cells):
        labels = {cell["label"] for cell in cells if cell["config"] == config}
        family = [p for p in pairs if p["config"] == config and {p["a"], p["b"]} <= labels]
        shown = [pair for pair in family if pair["shown"]]
        if not family:
            continue
        heading = _heading(config, cells)
        if shown:
            told = "; ".join(_below(shown, _labels(cells)))
            yield f"{heading}: a difference is shown in {len(shown)} of {_pairs(family)}: {told}."
        else:
            any_of = "any of " if len(family) > 1 else ""
            yield f"{heading}: no difference shown in {any_of}{_pairs(family)}."


def _pairs(family: Sequence[Entry]) -> str:
    return f"{len(family)} pairs" if len(family) > 1 else "the one pair"


def _below(shown: Sequence[Entry], order: Sequence[str]) -> Iterator[str]:
    """Group the differences by the cell with the higher RMSE, in the order of the table."""
    groups: dict[str, list[str]] = {}
    for pair in sorted(shown, key=lambda pair: [order.index(label) for label in _ordered(pair)]):
        low, high = _ordered(pair)
        first, last = sorted(abs(bound) for bound in pair["paired_t"]["interval"])
        gap = abs(pair["paired_t"]["mean"])
        groups.setdefault(high, []).append(f"`{low}` by {gap:.2f} ({first:.2f} to {last:.2f})")
    for high in sorted(groups, key=order.index):
        yield f"below `{high}`: {', '.join(groups[high])}"


# ---- protocol, other figures, optimism -----------------------------------------------------


def _protocol(cells: Sequence[Entry]) -> str:
    """Say under which protocol all cells were made; what differs between cells is listed."""
    protocols = [cell["protocol"] for cell in cells]
    fraction = _values(f"{p['split']['fraction']:.0%}" for p in protocols)
    versions = (f"{name} {text}" for c in cells for name, text in c["versions"].items())
    return (
        f"Protocol: {_values(cell['files'] for cell in cells)}; RUL capped at "
        f"{_values(p['cap'] for p in protocols)}; windows of "
        f"{_values(p['window'] for p in protocols)} cycles, short records padded and none dropped; "
        f"{fraction} of the training {_values(p['split']['by'] for p in protocols)}, drawn by the "
        f"seed, validate; {_also_trained_on(cells)}the epoch is chosen by "
        f"{_values(p['selection'] for p in protocols)}; test files looked at once, after "
        "all runs. Made with "
        f"{', '.join(dict.fromkeys(versions))}, at commit {_values(c['commit'] for c in cells)}."
    )


def _also_trained_on(cells: Sequence[Entry]) -> str:
    """Say which other subsets' engines trained, for each configuration."""
    others = dict.fromkeys(
        f"{' and '.join(cell['protocol']['auxiliary'])} for {_heading(cell['config'], cells)}"
        for cell in cells
        if cell["protocol"]["auxiliary"]
    )
    return f"the train files of other subsets train too ({', '.join(others)}); " if others else ""


def _values(values: Iterable[Any]) -> str:
    return " or ".join(dict.fromkeys(str(value) for value in values))


def _long_table(cells: Sequence[Entry]) -> str:
    head = [
        "configuration", "cell", "seeds", "RMSE raw", "NASA raw", "RMSE every cycle",
        "RMSE every cycle, raw", "validation RMSE", "clipped", "epochs", "seconds",
    ]  # fmt: skip
    order = {label: place for place, label in enumerate(_labels(cells))}
    rows = [
        [
            cell["config"],
            f"`{cell['label']}`" + (" (leak)" if cell["leak"] else ""),
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
    return table(head, rows, right=range(2, len(head)))


def _optimism(ledger: Mapping[str, Any]) -> Iterator[str]:
    oracle, leak = ledger.get("oracle") or [], ledger.get("leak") or []
    if oracle or leak:
        yield (
            "What two usual ways of choosing feign, in cycles of RMSE, with 95 % intervals over "
            "seeds:"
        )
    if oracle:
        yield table(
            ["subset", "seeds", f"chosen by validation − best test epoch ({oracle[0]['mark']})"],
            [[e["subset"], str(e["n_seeds"]), _interval(e["optimism"])] for e in oracle],
            right={1, 2},
        )
    if leak:
        yield table(
            ["configuration", "cell", "seeds", "test − validation, split by windows (leak)",
             "the same, split by engines", "optimism of the leak"],
            [[e["config"], f"`{e['cell']}`", str(e["n_seeds"]), _interval(e["gap_windows"]),
              _interval(e["gap_engines"]), _interval(e["optimism"])] for e in leak],
            right=range(2, 6),
        )  # fmt: skip


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
