"""The RUL file of a user's own test records: one RUL a line, or a table of engines and RUL."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import ENGINE, is_label_name, resolve_alias
from cmapss_rul.data.fleet import Times
from cmapss_rul.data.reader import MAX_RUL, parse_rul
from cmapss_rul.data.records import read_file
from cmapss_rul.data.table_text import NumberedRow, is_number, split_rows
from cmapss_rul.system.errors import DataError

_TABLE = "give the RUL file two columns, the engine's name and its RUL"


def read_own_rul(
    path: Path,
    names: Sequence[int] | Sequence[str],
    engine: str | None,
    *,
    whole: bool = True,
) -> Times:
    """Read a RUL file: [engine], in the order of the names; whole numbers of cycles by default.

    Without names in it, the file must follow the test file, whose engines must then ascend: a
    table sorted as text (1, 10, 2) would give engines each other's RUL.

    Args:
        path: of the file, text with or without a header.
        names: of the engines, in the order of the test file.
        engine: name of the engine column; None for its aliases.
        whole: whether the RUL are whole numbers of cycles.

    Raises:
        DataError: one line with the position, what was found and what was expected.
    """
    name = str(path)
    content = read_file(path)
    rows = split_rows(content, name)
    header, values = rows[0][1], [row for _, row in rows[1:]]
    has_header = not any(map(is_number, header))
    # a header of one column may have spaces
    if len(header) > 1 and not (has_header and values and all(len(row) == 1 for row in values)):
        rul = _by_name(rows, name, [str(one) for one in names], engine, whole)
        return rul.astype(np.int64) if whole else rul
    _check_order(names, name)
    if not has_header:
        return parse_rul(io.BytesIO(content), name, len(names), whole=whole)
    if len(values) != len(names):
        raise DataError(
            f"{name}: found {len(values)} row(s) under the header, expected {len(names)}, one for "
            "each engine of the test file"
        )
    rul = np.array([_rul(row[0], f"{name}, line {line}", whole) for line, row in rows[1:]])
    return rul.astype(np.int64) if whole else rul


def _check_order(names: Sequence[int] | Sequence[str], table: str) -> None:
    keys = [[(int(part), "") if part.isdecimal() else (-1, part)
             for part in re.split(r"([0-9]+)", str(name))] for name in names]  # fmt: skip
    if isinstance(names[0], int):
        keys = [[(int(name), "")] for name in names]
    for i in range(1, len(names)):
        if not keys[i - 1] < keys[i]:
            raise DataError(
                f"{table}: found no names of engines, but engine {names[i]} stands after "
                f"{names[i - 1]} in the test file, so the order of the RUL is not known for "
                f"certain; {_TABLE}, or sort the test file by engine"
            )


def _by_name(
    rows: Sequence[NumberedRow],
    table: str,
    names: Sequence[str],
    engine: str | None,
    whole: bool,
) -> NDArray[np.float64]:
    (line, first), width = rows[0], len(rows[0][1])
    at, of = 0, 1
    if not is_number(first[-1]):
        at, of = _positions(first, f"{table}, line {line}", engine)
        rows = rows[1:]
    elif width != 2:
        raise DataError(f"{table}, line {line}: found {width} columns without a header; {_TABLE}")
    found: dict[str, float] = {}
    for line, row in rows:
        where = f"{table}, line {line}"
        if len(row) != width:
            raise DataError(f"{where}: found {len(row)} column(s), expected {width}")
        one = row[at].strip()
        if one in found or one not in names:
            known = "a second RUL" if one in found else "no such engine in the test file"
            raise DataError(f"{where}: found engine '{one[:24]}', {known}; expected each one once")
        found[one] = _rul(row[of], where, whole)
    missing = [one for one in names if one not in found]
    if missing:
        raise DataError(
            f"{table}: found no RUL of engine {missing[0]}"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
            + ", expected one for each engine of the test file"
        )
    return np.array([found[one] for one in names], dtype=np.float64)


def _positions(header: Sequence[str], where: str, engine: str | None) -> tuple[int, int]:
    """Positions of the engine and of the RUL."""
    names = [name.strip() for name in header]
    engines = [i for i, name in enumerate(names) if name == engine]
    engines = engines or [i for i, name in enumerate(names) if resolve_alias(name) == ENGINE]
    labels = [i for i, name in enumerate(names) if is_label_name(name)]
    if len(names) == 2 and len(engines) + len(labels) == 1:
        # the other column is the other one
        engines, labels = (engines or [1 - labels[0]]), (labels or [1 - engines[0]])
    if len(engines) != 1 or len(labels) != 1:
        shown = ", ".join(f"'{name[:24]}'" for name in names[:6])
        raise DataError(
            f"{where}: found the columns {shown}, expected one of engines and one of RUL, with a "
            f"header such as unit,RUL"
        )
    return engines[0], labels[0]


def _rul(cell: str, where: str, whole: bool) -> float:
    value = float(cell) if is_number(cell) else float("nan")
    if not 0 <= value <= MAX_RUL or (whole and value != int(value)):
        expected = "a whole number of cycles" if whole else "a number"
        raise DataError(
            f"{where}: found '{cell.strip()[:24]}', expected a RUL: {expected}, 0 or more"
        )
    return value
