"""Strict reader of C-MAPSS text files: train, test and RUL files.

Regular files are parsed by NumPy in blocks of 16 MiB. A block with anything unusual is parsed
line by line instead, which finds the first invalid line for the error message.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.data.fleet import Fleet, Times
from cmapss_rul.data.lines import (
    NUMBER,
    Readable,
    Tail,
    foreign_format,
    line_blocks,
    non_text_byte,
    quote_token,
)
from cmapss_rul.system.errors import DataError

MAX_RUL = 10**9
_WIDTH = 2 + len(COLUMNS)
# for numbers of these bytes, NumPy and the strict rules agree
_REGULAR_BYTES = b"0123456789+-.eE \t\r\n"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_EXPECTED = f"expected {_WIDTH} (unit, cycle, 3 settings, 21 sensors)"
_TRUNCATED = (
    "the file ends without a line end, perhaps inside this number; get the whole file again, "
    "or add a line end if it is complete"
)


def read_fleet(path: Path) -> Fleet:
    """Read a train or test file.

    A row is unit, cycle, 3 operational settings and 21 sensors, separated by any white space.
    Units are numbered 1, 2, … in order, the cycles of each from 1 without a gap.

    Raises:
        DataError: names file and line, the found and the expected content.
    """
    with open_text(path) as stream:
        return parse_fleet(stream, str(path))


def read_rul(path: Path, engines: int) -> Times:
    """Read a RUL file: one whole number of cycles per row, [engine].

    Raises:
        DataError: text, a negative or invalid number, or not one row for each of the engines.
    """
    with open_text(path) as stream:
        return parse_rul(stream, str(path), engines)


def open_text(path: Path) -> BinaryIO:
    """Open a text file; only regular files are accepted.

    Raises:
        DataError: it is not a regular file, or cannot be opened.
    """
    if path.is_dir():
        raise DataError(f"{path}: found a folder, expected a text file")
    if path.exists() and not path.is_file():  # reading a pipe or device could block forever
        raise DataError(f"{path}: found no regular file, expected a text file")
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be opened: {reason}") from error


@dataclass
class _Position:
    """Position of the parser: the last line and row read.

    Attributes:
        engine: unit of the last row.
        cycle: cycle of the last row; NaN before the first row, so that no cycle follows it.
        blank: number of the first blank line; 0 if there is none yet.
    """

    name: str
    line: int = 0
    engine: float = 0.0
    cycle: float = float("nan")
    blank: int = 0

    def error(self, text: str) -> DataError:
        return DataError(f"{self.name}, line {self.line}: {text}")

    def is_blank(self, line: bytes) -> bool:
        """Count a line, and check whether it is blank, which is valid at the end only."""
        self.line += 1
        if not line.strip():
            self.blank = self.blank or self.line
            return True
        if self.blank:
            raise DataError(
                f"{self.name}, line {self.blank}: found a blank line, expected blank lines "
                "at the end of the file only"
            )
        return False


def parse_fleet(stream: Readable, name: str) -> Fleet:
    """Parse a train or test file from an open stream; `name` is used in error messages."""
    position, tail = _Position(name), Tail()
    parts: list[NDArray[np.float64]] = []
    try:
        for block in line_blocks(stream, name):
            tail.add(block)
            for part in _split_off_blank_end(block):
                table = _parse_fast(part, position)
                parts.append(_parse_by_line(part, position) if table is None else table)
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error}") from error
    if not sum(map(len, parts)):
        raise DataError(f"{name}: the file is empty, expected rows of {_WIDTH} numbers")
    if tail.looks_truncated:
        raise position.error(_TRUNCATED)
    return _join(parts)


def _join(parts: list[NDArray[np.float64]]) -> Fleet:
    rows = sum(map(len, parts))
    engine, cycle = np.empty(rows, np.int64), np.empty(rows, np.int64)
    values = np.empty((rows, len(COLUMNS)))
    start = 0
    parts.reverse()
    while parts:  # frees each block once it is copied, so that memory holds the data only once
        part = parts.pop()
        stop = start + len(part)
        engine[start:stop], cycle[start:stop] = part[:, 0], part[:, 1]
        values[start:stop] = part[:, 2:]
        start = stop
    return Fleet.from_rows(engine, cycle, values)


def _split_off_blank_end(block: bytes) -> list[bytes]:
    """Split a block into its rows and trailing blank lines.

    Blank lines need the slow parser, which the rows should avoid.
    """
    last = _LINE_END.search(block, len(block.rstrip()))
    end = last.end() if last else len(block)
    return [part for part in (block[:end], block[end:]) if part]


def _parse_fast(block: bytes, position: _Position) -> NDArray[np.float64] | None:
    """Parse a block of rows, [row, 26]; return None if anything is unusual."""
    if position.blank or block.translate(None, _REGULAR_BYTES):  # `nan`, hex, text, other spaces
        return None
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    if not block.strip():
        return None
    try:
        # rounds correctly to the nearest float; *measured*: faster than pandas.read_csv
        table = np.loadtxt(io.BytesIO(block), comments=None, ndmin=2)
    except (ValueError, OverflowError):
        return None
    valid = (
        table.shape == (lines, _WIDTH)
        and np.isfinite(table).all()
        and _in_sequence(table[:, 0], table[:, 1], position)
    )
    if not valid:
        return None
    position.line += lines
    position.engine, position.cycle = table[-1, 0], table[-1, 1]
    return table


def _in_sequence(
    engine: NDArray[np.float64], cycle: NDArray[np.float64], position: _Position
) -> bool:
    # includes the last row of the previous block: a gap may lie between two blocks
    step = np.diff(engine, prepend=position.engine)
    next_cycle = np.diff(cycle, prepend=position.cycle) == 1
    return bool(np.all(((step == 0) & next_cycle) | ((step == 1) & (cycle == 1))))


def _parse_by_line(block: bytes, position: _Position) -> NDArray[np.float64]:
    # a failed download may have saved a page or an archive under the name of the file
    if position.line == 0 and (found := foreign_format(block)):
        raise DataError(f"{position.name}, line 1: found {found}, expected rows of 26 numbers")
    rows = []
    for line in block.splitlines(keepends=True):
        if not position.is_blank(line):
            row = _parse_line(line, position)
            _check_sequence(row, position)
            rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(len(rows), _WIDTH)


def _parse_line(line: bytes, position: _Position) -> list[float]:
    """Parse one row; raise an error about its first fault."""
    tokens = _tokens(line, position)
    wrong = [i for i, token in enumerate(tokens) if not NUMBER.fullmatch(token)]
    if position.line == 1 and wrong == list(range(len(tokens))) and len(tokens) > 1:
        found = quote_token(tokens[0])
        raise position.error(f"found a header ({found} …), expected numbers; remove it")
    if wrong:
        raise _not_finite(tokens, wrong[0], position)
    if len(tokens) != _WIDTH:
        complete = line.endswith((b"\n", b"\r"))
        hint = "" if complete else "; the file ends inside this row: it was truncated"
        raise position.error(f"found {len(tokens)} column(s), {_EXPECTED}{hint}")
    values = [float(token) for token in tokens]
    for i, value in enumerate(values):
        if not np.isfinite(value):
            raise _not_finite(tokens, i, position)
    return values


def _not_finite(tokens: list[bytes], index: int, position: _Position) -> DataError:
    found = quote_token(tokens[index])
    return position.error(f"found {found} in column {index + 1}, expected a finite number")


def _tokens(line: bytes, position: _Position) -> list[bytes]:
    if found := non_text_byte(line):
        raise position.error(f"found {found}, expected plain text; this is not a C-MAPSS file")
    return line.split()


def _check_sequence(row: list[float], position: _Position) -> None:
    """Check that a row continues the previous one by unit and cycle, and advance the position."""
    engine, cycle = row[0], row[1]
    same, following = engine == position.engine, engine == position.engine + 1
    if (same and cycle == position.cycle + 1) or (following and cycle == 1):
        position.engine, position.cycle = engine, cycle
        return
    if same and position.line > 1:
        step = "gap" if cycle > position.cycle else "jump back"
        step = "repeat" if cycle == position.cycle else step
        raise position.error(
            f"found cycle {cycle:.15g} of unit {engine:.15g} after cycle {position.cycle:.15g} "
            f"(a {step}), expected {position.cycle + 1:.15g}"
        )
    if following:
        raise position.error(
            f"found cycle {cycle:.15g} at the start of unit {engine:.15g}, expected 1"
        )
    raise position.error(
        f"found unit {engine:.15g} after unit {position.engine:.15g}, expected units 1, 2, … "
        "in order"
        if position.line > 1
        else f"found unit {engine:.15g}, expected the first unit to be 1"
    )


def parse_rul(stream: BinaryIO, name: str, engines: int | None, *, whole: bool = True) -> Times:
    """Parse a RUL file from an open stream, of any number of rows if `engines` is None."""
    position, tail = _Position(name), Tail()
    values: list[float] = []
    try:
        for block in line_blocks(stream, name):
            if position.line == 0 and (found := foreign_format(block)):
                raise DataError(f"{name}, line 1: found {found}, expected one whole number per row")
            tail.add(block)
            values += [
                _parse_rul_line(line, position, whole)
                for line in block.splitlines()
                if not position.is_blank(line)
            ]
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error}") from error
    if not values:
        raise DataError(f"{name}: the file is empty, expected one whole number per row")
    if engines is not None and len(values) != engines:
        # the first excess line, or the last line of a file that is too short
        position.line = min(len(values), engines + 1)
        raise position.error(
            f"found {len(values)} row(s) in the file, expected {engines}, one for each engine "
            "of the test file"
        )
    if tail.looks_truncated and len(values) > 1:
        raise position.error(_TRUNCATED)
    return np.array(values, dtype=np.int64) if whole else np.array(values, dtype=np.float64)


def _parse_rul_line(line: bytes, position: _Position, whole: bool) -> float:
    tokens = _tokens(line, position)
    if len(tokens) != 1:
        raise position.error(f"found {len(tokens)} columns, expected one RUL a row")
    value = float(tokens[0]) if NUMBER.fullmatch(tokens[0]) else float("nan")
    # NaN fails the first comparison, so it never reaches int()
    if not 0 <= value <= MAX_RUL or (whole and value != int(value)):
        expected = "a whole number of cycles" if whole else "a number"
        found = quote_token(tokens[0])
        raise position.error(f"found {found}, expected a RUL: {expected}, 0 or more")
    return value
