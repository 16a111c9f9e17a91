"""A comparison for people: its tables, sentences and notes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cmapss_rul.experiments.comparison import Comparison
from cmapss_rul.system.text import printable

_MOST_SENTENCES = 12


def render(comparison: Comparison) -> RenderableType:
    """Lay a comparison out for the terminal; 80 columns are enough."""
    plain = comparison.plain
    seeds = len(plain["grid"]["seeds"])
    spread = f"mean ± sd over {seeds} seeds" if seeds > 1 else "one seed"
    title = f"grid {plain['grid']['digest']} · {spread}"
    parts: list[RenderableType] = [Text(title, style="bold"), _cells(plain), _effort(plain)]
    if plain["ranks"] is not None:
        parts.append(_ranks(plain["ranks"]))
    parts += [Text(printable(line)) for line in lines(plain)]
    return Group(*parts)


def _cells(plain: Mapping[str, Any]) -> Table:
    table = _table("cell", "RMSE", "NASA", "RMSE raw", "every cycle")
    for config, cells in _by_config(plain):
        _section(table, config)
        for cell in cells:
            table.add_row(
                _name(cell),
                spread(cell["rmse"], 2),
                spread(cell["nasa"], 0),
                spread(cell["last_raw"]["rmse"], 2),
                spread(cell["every_capped"]["rmse"], 2),
            )
    return table


def _effort(plain: Mapping[str, Any]) -> Table:
    table = _table("cell", "seeds", "validation", "clipped", "epochs", "seconds")
    for config, cells in _by_config(plain):
        _section(table, config)
        for cell in cells:
            table.add_row(
                _name(cell),
                str(cell["n_seeds"]),
                spread(cell["validation"]["rmse"], 2),
                share(cell["clipped_share"]),
                spread(cell["epochs"], 0),
                spread(cell["seconds"], 0),
            )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(_plain(first), overflow="fold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _section(table: Table, config: str) -> None:
    table.add_row(Text(printable(config), style="bold"))


def _by_config(plain: Mapping[str, Any]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for config in dict.fromkeys(cell["config"] for cell in plain["cells"]):
        yield config, [cell for cell in plain["cells"] if cell["config"] == config]


def _ranks(ranks: Mapping[str, Any]) -> Table:
    table = _table(f"over {', '.join(ranks['configs'])}", "mean rank")
    for mean, label in sorted(zip(ranks["mean"], ranks["labels"], strict=True)):
        leak = " (leak)" if label in ranks["leaks"] else ""
        table.add_row(_plain(label + leak), f"{mean:.2f}")
    return table


def _name(cell: Mapping[str, Any]) -> Text:
    return _plain(f"{cell['label']} (leak)" if cell["leak"] else cell["label"])


def _plain(text: object) -> Text:
    """A text whose brackets are no markup, such as `data.columns=[sensor_2]`."""
    return Text(printable(text))


def spread(value: Mapping[str, float | None], decimals: int) -> str:
    """Mean ± sd, as far as there are any.

    >>> spread({"mean": 12.345, "sd": 0.5}, 2), spread({"mean": None, "sd": None}, 2)
    ('12.35 ± 0.50', '–')
    """
    mean, sd = value["mean"], value["sd"]
    if mean is None:
        return "–"
    return f"{mean:,.{decimals}f}" + ("" if sd is None else f" ± {sd:,.{decimals}f}")


def share(value: Mapping[str, float | None]) -> str:
    """Mean share in per cent.

    >>> share({"mean": 0.256, "sd": 0.1})
    '26%'
    """
    return "–" if value["mean"] is None else f"{value['mean']:.0%}"


def _protocol(protocol: Mapping[str, Any]) -> str:
    """Say under which protocol a cell's figures were made."""
    split = protocol["split"]
    kept = split.get("calibration_engines")  # evaluations of older versions do not say
    return (
        f"{protocol['subset']}, {protocol['files']}; {protocol['engines']} test engines "
        f"({protocol['padded']} padded), {protocol['windows']:,} windows of {protocol['window']} "
        f"cycles; cap {protocol['cap']}; split by {split['by']}, {split['training_engines']} "
        f"train, {split['validation_engines']} validate"
        + (f", {kept} calibrate the intervals" if kept else "")
        + f"{_also(protocol['auxiliary'])}; selection: {protocol['selection']}"
    )


def _also(auxiliary: Mapping[str, int]) -> str:
    """Say which other subsets' engines trained.

    >>> _also({"FD002": 260}), _also({})
    (', all 260 of FD002 train too', '')
    """
    engines = " and ".join(f"{count} of {subset}" for subset, count in auxiliary.items())
    return f", all {engines} train too" if engines else ""


def _sentences(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the pairs show; of many, only those that show a difference, and how many do not."""
    telling = [pair for pair in pairs if pair["shown"]]
    few = len(pairs) <= _MOST_SENTENCES
    yield from (f"· {pair['sentence']}" for pair in (pairs if few else telling))
    if not few:
        yield (
            f"· no difference shown in {len(pairs) - len(telling)} of {len(pairs)} pairs; "
            "comparison.json has a sentence for each"
        )


def lines(plain: Mapping[str, Any]) -> Iterator[str]:
    """What the figures mean, under which protocol they were made, and what they show."""
    yield "RMSE and NASA score: last window of each test engine, labels capped; 'raw': raw labels."
    yield (
        "'every cycle': one window a cycle, capped. 'validation': its RMSE. Predictions are "
        "clamped to [0, cap]."
    )
    said = (cell["protocol"] for cell in plain["cells"] if cell["protocol"] is not None)
    yield from (f"protocol: {line}" for line in dict.fromkeys(map(_protocol, said)))
    yield from _sentences(plain["pairs"])
    for section in ("oracle", "leak"):
        yield from (f"· {entry['sentence']}" for entry in plain[section] or ())
    yield from (f"note: {note}" for note in plain["notes"])
