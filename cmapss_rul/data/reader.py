"""The strict reader of C-MAPSS text files.

The good path parses blocks of 16 MiB with the C parsers of pandas or numpy. Whatever it does
not take as it stands goes through a slow path, line by line, which finds the first bad line for
the message.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.lines import NUMBER, Readable, Tail, blocks, foreign_kind, no_text, shown
from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import DataError

_WIDTH = 2 + len(COLUMNS)
_LONGEST_RUL = 10**9
_PLAIN = b"0123456789+-.eE \t\r\n"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_EXPECTED = f"expected {_WIDTH} (unit, cycle, 3 settings, 21 sensors)"


def read_fleet(path: Path) -> Fleet:
    """Read a train or test file.

    A row is unit, cycle, 3 operational settings and 21 sensors, with any white space between
    them. Units are numbered 1, 2, … in order, the cycles of each from 1 without a gap.

    Args:
        path: the text file.

    Raises:
        DataError: one line that names file and line, what was found and what was expected.
    """
    with open_text(path) as stream:
        return parse_fleet(stream, printable(path))


def read_rul(path: Path, engines: int) -> NDArray[np.int64]:
    """Read a RUL file: one whole number a row, cycles, [engine].

    Args:
        path: the text file.
        engines: number of engines of the test file that it belongs to.

    Raises:
        DataError: text, a negative or broken number, or another number of rows.
    """
    with open_text(path) as stream:
        return parse_rul(stream, printable(path), engines)


def open_text(path: Path) -> BinaryIO:
    """Open a text file; what is no regular file is refused.

    Raises:
        DataError: it is none, or cannot be opened.
    """
    if path.is_dir():
        raise DataError(f"{printable(path)}: found a folder, expected a text file")
    if path.exists() and not path.is_file():  # a pipe or a device could block for ever
        raise DataError(f"{printable(path)}: found no regular file, expected a text file")
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{printable(path)}: cannot be opened: {one_line(reason)}") from error


@dataclass
class _State:
    """Where the reader stands: the last line and the last row that it took."""

    name: str
    line: int = 0
    engine: float = 0.0
    cycle: float = float("nan")  # so that the very first row has no predecessor
    blank: int = 0

    def error(self, text: str) -> DataError:
        return DataError(f"{self.name}, line {self.line}: {text}")


def parse_fleet(stream: Readable, name: str) -> Fleet:
    """Read a train or test file from an open stream; `name` stands in error texts."""
    state, tail = _State(name), Tail()
    parts: list[NDArray[np.float64]] = []
    try:
        for block in blocks(stream, name):
            tail.add(block)
            parts += [_rows(part, state) for part in _parted(block)]
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {one_line(error)}") from error
    if not sum(map(len, parts)):
        raise DataError(f"{name}: the file is empty, expected rows of {_WIDTH} numbers")
    if tail.looks_cut:
        raise state.error(_CUT)
    return _join(parts)


_CUT = (
    "the file ends without a line end, perhaps inside this number; get the whole file again, "
    "or add a line end if it is complete"
)


def _join(parts: list[NDArray[np.float64]]) -> Fleet:
    rows = sum(map(len, parts))
    engine, cycle = np.empty(rows, np.int64), np.empty(rows, np.int64)
    values = np.empty((rows, len(COLUMNS)))
    start = 0
    parts.reverse()
    while parts:  # each block is let go as soon as it is copied: memory holds the data once
        part = parts.pop()
        stop = start + len(part)
        engine[start:stop], cycle[start:stop] = part[:, 0], part[:, 1]
        values[start:stop] = part[:, 2:]
        start = stop
    return Fleet.from_rows(engine, cycle, values)


def _parted(block: bytes) -> list[bytes]:
    """The rows of a block, and then the blank lines at its end, which would slow all others."""
    last = _LINE_END.search(block, len(block.rstrip()))
    end = last.end() if last else len(block)
    return [part for part in (block[:end], block[end:]) if part]


def _rows(block: bytes, state: _State) -> NDArray[np.float64]:
    """Parse some lines, [row, 26]."""
    table = _fast_rows(block, state)
    return _slow_rows(block, state) if table is None else table


def _fast_rows(block: bytes, state: _State) -> NDArray[np.float64] | None:
    """Parse a block of rows [row, 26], or return None where anything at all is unusual."""
    if state.blank or block.translate(None, _PLAIN):
        return None
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    try:
        table = _parse_short(block) if _only_short_numbers(block) else _parse_any(block)
    except (ValueError, OverflowError):
        return None
    good = (
        table.shape == (lines, _WIDTH)
        and np.isfinite(table).all()
        and _in_sequence(table[:, 0], table[:, 1], state)
    )
    if not good:
        return None
    state.line += lines
    state.engine, state.cycle = table[-1, 0], table[-1, 1]
    return table


def _only_short_numbers(block: bytes) -> bool:
    """Whether every number has at most 15 characters and no exponent.

    Then it is a whole number below 2**53 divided by a power of ten that a float holds exactly:
    one rounding, and the result is exact however simple the parser.
    """
    if b"e" in block or b"E" in block:
        return False
    spaces = np.flatnonzero(np.frombuffer(block, np.uint8) <= ord(" "))
    return bool(np.diff(spaces, prepend=-1, append=len(block)).max() <= 16)


def _parse_short(block: bytes) -> NDArray[np.float64]:
    """Parse short plain numbers: fast. A table of another width is a ValueError."""
    import pandas as pd  # here: to import it takes longer than to read a file

    frame = pd.read_csv(
        io.BytesIO(block),
        sep=r"\s+",
        header=None,
        names=range(_WIDTH + 1),  # one column more than there should be: it must stay empty
        dtype=np.float64,
    )
    table = frame.to_numpy()
    if not np.isnan(table[:, _WIDTH]).all():
        raise ValueError
    return table[:, :_WIDTH]


def _parse_any(block: bytes) -> NDArray[np.float64]:
    """Parse numbers of any length: exact, three times slower."""
    if not block.strip():
        raise ValueError
    return np.loadtxt(io.BytesIO(block), comments=None, ndmin=2)


def _in_sequence(engine: NDArray[np.float64], cycle: NDArray[np.float64], state: _State) -> bool:
    step = np.diff(engine, prepend=state.engine)
    next_cycle = np.diff(cycle, prepend=state.cycle) == 1
    return bool(np.all(((step == 0) & next_cycle) | ((step == 1) & (cycle == 1))))


def _slow_rows(block: bytes, state: _State) -> NDArray[np.float64]:
    if state.line == 0 and (kind := foreign_kind(block)):
        raise DataError(f"{state.name}, line 1: found {kind}, expected rows of 26 numbers")
    rows = []
    for line in block.splitlines(keepends=True):
        state.line += 1
        if not line.strip():
            state.blank = state.blank or state.line
            continue
        _refuse_blank_inside(state)
        row = _numbers(line, state)
        _follow(row, state)
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(len(rows), _WIDTH)


def _refuse_blank_inside(state: _State) -> None:
    if state.blank:
        raise DataError(
            f"{state.name}, line {state.blank}: found a blank line, expected blank lines "
            "at the end of the file only"
        )


def _numbers(line: bytes, state: _State) -> list[float]:
    """Read one row; the first thing wrong with it is the error."""
    tokens = _tokens(line, state)
    wrong = [i for i, token in enumerate(tokens) if not NUMBER.fullmatch(token)]
    if state.line == 1 and wrong == list(range(len(tokens))) and len(tokens) > 1:
        raise state.error(f"found a header ({shown(tokens[0])} …), expected numbers; remove it")
    if wrong:
        raise state.error(
            f"found {shown(tokens[wrong[0]])} in column {wrong[0] + 1}, expected a finite number"
        )
    if len(tokens) != _WIDTH:
        cut = "" if line.endswith((b"\n", b"\r")) else "; the file ends inside this row: it was cut"
        raise state.error(f"found {len(tokens)} column(s), {_EXPECTED}{cut}")
    values = [float(token) for token in tokens]
    for i, value in enumerate(values):
        if not np.isfinite(value):
            raise state.error(
                f"found {shown(tokens[i])} in column {i + 1}, expected a finite number"
            )
    return values


def _tokens(line: bytes, state: _State) -> list[bytes]:
    if found := no_text(line):
        raise state.error(f"found {found}, expected plain text; this is no C-MAPSS file")
    return line.split()


def _follow(row: list[float], state: _State) -> None:
    """Check that a row's unit and cycle follow on the row before."""
    engine, cycle = row[0], row[1]
    if engine == state.engine and cycle == state.cycle + 1:
        state.cycle = cycle
        return
    if engine == state.engine + 1 and cycle == 1:
        state.engine, state.cycle = engine, cycle
        return
    if engine == state.engine and state.line > 1:
        what = "a repeat" if cycle == state.cycle else "a gap" if cycle > state.cycle else "a jump"
        raise state.error(
            f"found cycle {cycle:.15g} of unit {engine:.15g} after cycle {state.cycle:.15g} "
            f"({what}), expected {state.cycle + 1:.15g}"
        )
    if engine == state.engine + 1:
        raise state.error(
            f"found cycle {cycle:.15g} at the start of unit {engine:.15g}, expected 1"
        )
    raise state.error(
        f"found unit {engine:.15g} after unit {state.engine:.15g}, expected units 1, 2, … in order"
        if state.line > 1
        else f"found unit {engine:.15g}, expected the first unit to be 1"
    )


def parse_rul(stream: BinaryIO, name: str, engines: int | None) -> NDArray[np.int64]:
    """Read a RUL file from an open stream; with `engines` None any number of rows is taken."""
    state, tail = _State(name), Tail()
    values: list[int] = []
    try:
        for block in blocks(stream, name):
            if state.line == 0 and (kind := foreign_kind(block)):
                raise DataError(f"{name}, line 1: found {kind}, expected one whole number a row")
            tail.add(block)
            for line in block.splitlines():
                state.line += 1
                if line.strip():
                    _refuse_blank_inside(state)
                    values.append(_rul(_tokens(line, state), state))
                else:
                    state.blank = state.blank or state.line
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {one_line(error)}") from error
    if not values:
        raise DataError(f"{name}: the file is empty, expected one whole number a row")
    if engines is not None and len(values) != engines:
        state.line = min(len(values), engines + 1)
        raise state.error(
            f"found {len(values)} row(s) in the file, expected {engines}, one for each engine "
            "of the test file"
        )
    if tail.looks_cut and len(values) > 1:
        raise state.error(_CUT)
    return np.array(values, dtype=np.int64)


def _rul(tokens: list[bytes], state: _State) -> int:
    if len(tokens) != 1:
        raise state.error(f"found {len(tokens)} columns, expected one RUL a row")
    if not NUMBER.fullmatch(tokens[0]):
        raise state.error(f"found {shown(tokens[0])}, expected a RUL: a whole number of cycles")
    value = float(tokens[0])
    if not 0 <= value <= _LONGEST_RUL or value != int(value):
        raise state.error(
            f"found {shown(tokens[0])}, expected a RUL: a whole number of cycles, 0 or more"
        )
    return int(value)
