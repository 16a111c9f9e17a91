"""An independent, slow and simple reader of CSV and C-MAPSS text in plain Python.

It shares no code with the package; quoting is read character by character, and each number is
rounded once from its exact fraction.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tests.data._slow_reader import slow_number

_FOREIGN = (
    b"<", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff",
    b"PAR1", b"\xd0\xcf\x11\xe0", b"\x89HDF", b"\x93NUMPY", b"MATLAB 5.0", b"\x80\x02", b"\x80\x03",
    b"\x80\x04", b"\x80\x05",
)  # fmt: skip
_LARGEST = 1e30


class Row(NamedTuple):
    """A row of a table: its last line, the engine's name and the requested numbers."""

    line: int
    engine: str
    numbers: list[float]


def slow_table(
    content: bytes, engine: str, columns: Sequence[str], unnamed: Sequence[str]
) -> list[Row] | None:
    """Rows of a table; None if it is invalid or lacks a column.

    Args:
        content: bytes of the file.
        engine: name of the engine's column.
        columns: names of columns of numbers.
        unnamed: names of all columns of a text that has no header.
    """
    content = content[3:] if content.startswith(b"\xef\xbb\xbf") else content
    if content[:1024].lstrip().startswith(_FOREIGN) or content.startswith(b"PAR1"):
        return None
    if _is_utf16(content[:64]):
        return None
    text = content.decode("utf-8", "backslashreplace")
    declared = None
    first = next((line for line in _split(text) if line.strip()), None)
    if first is not None and (declared := _declared_separator(first.strip(" "))) is not None:
        text = text.replace(first, "", 1)
        first = next((line for line in _split(text) if line.strip()), None)
    if first is None:
        return None
    separator = declared or _separator(first)
    if separator is None:
        table = [(i, line.split()) for i, line in enumerate(_split(text), 1) if line.strip()]
        headless = _mostly_numbers(first.split())
    else:
        quoted = _quoted(text, separator)
        if quoted is None:
            return None
        table = [pair for pair in quoted if any(cell.strip() for cell in pair[1])]
        headless = False
    if headless:
        header = list(unnamed)
    elif table and not _mostly_numbers(table[0][1]):
        header = [word.strip() for word in table.pop(0)[1]]
    else:
        return None
    if not table or any(header.count(name) != 1 for name in (engine, *columns)):
        return None
    at = header.index(engine)
    if separator in (";", "\t") and not _commas_to_points(
        [cells for _, cells in table if len(cells) == len(header)],
        [header.index(name) for name in columns],
    ):
        return None
    rows = []
    for line, cells in table:
        if len(cells) != len(header) or (headless and _number(cells[at]) is None):
            return None
        if "\0" in cells[at]:
            return None
        numbers = [_number(cells[header.index(name)]) for name in columns]
        if None in numbers:
            return None
        rows.append(Row(line, cells[at].strip(), numbers))
    return rows


def _is_utf16(start: bytes) -> bool:
    pairs = list(zip(start[::2], start[1::2], strict=False))
    odd = start[len(pairs) * 2 :]
    return len(pairs) > 2 and (
        (all(one and not two for one, two in pairs) and all(odd))
        or (all(two and not one for one, two in pairs) and not any(odd))
    )


def _declared_separator(line: str) -> str | None:
    """The separator declared by Excel's `sep=` line."""
    for quote_1 in ("", '"', "'"):
        for quote_2 in ("", '"', "'"):
            for separator in ",;\t":
                if line.lower() == f"{quote_1}sep={separator}{quote_2}":
                    return separator
    return None


def _commas_to_points(table: list[list[str]], columns: list[int]) -> bool:
    """Read decimal commas; False if they are ambiguous."""
    signs = set()
    for column in columns:
        cells = [row[column].strip() for row in table]
        with_comma = [cell for cell in cells if "," in cell]
        if any("." in cell for cell in cells):
            signs.add(".")
        numbers = [cell.replace(",", ".") for cell in with_comma]
        if not all(map(_is_decimal, numbers)) or any("." in cell for cell in with_comma):
            return False
        if with_comma:
            signs.add(",")
            grouped = [cell.lstrip("+-").partition(",") for cell in with_comma]
            if len(with_comma) < len(cells) and all(
                len(tail) == 3 and tail.isdigit() and 1 <= len(head) <= 3 and head[0] != "0"
                and head.isdigit() for head, _, tail in grouped
            ):  # fmt: skip
                return False
        for row in table:
            row[column] = row[column].replace(",", ".")
    return len(signs) < 2


def _split(text: str) -> list[str]:
    """Lines of a text; LF, CR and both end one."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _separator(line: str) -> str | None:
    commas, semicolons = line.count(","), line.count(";")
    if commas or semicolons:
        return "," if commas >= semicolons else ";"
    return "\t" if "\t" in line and not _mostly_numbers(line.split()) else None


def _mostly_numbers(cells: Sequence[str]) -> bool:
    return sum(map(_is_decimal, cells)) * 2 >= len(cells)


def _is_decimal(cell: str) -> bool:
    """Whether it has the form of a number, of whatever size."""
    mantissa, has_exponent, exponent = cell.strip().lower().partition("e")
    digits = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    whole = not has_exponent or (digits.isascii() and digits.isdigit())
    return whole and _decimal(mantissa) is not None and mantissa == mantissa.strip()


def _decimal(cell: str) -> float | None:
    word = cell.strip()
    return slow_number(word.encode()) if word.isascii() and word.isprintable() else None


def _number(cell: str) -> float | None:
    found = _decimal(cell)
    return None if found is None or abs(found) > _LARGEST else found


def _quoted(text: str, separator: str) -> list[tuple[int, list[str]]] | None:
    """Rows with the lines at which they end; '""' inside quotes is one quote.

    None where a quote is left open, or closed before the end of its cell.
    """
    rows: list[tuple[int, list[str]]] = []
    cells, cell, line, place = [], "", 1, 0
    inside, opened = False, False  # between quotes; whether this cell began with one
    while place < len(text):
        mark = text[place]
        place += 1
        if mark == '"' and inside:
            if text[place : place + 1] == '"':
                cell, place = cell + mark, place + 1
            else:
                inside = False
        elif mark == '"' and not cell and not opened:
            inside = opened = True
        elif mark in "\r\n":
            if text[place - 1 : place + 1] == "\r\n":
                mark, place = "\r\n", place + 1
            if inside:
                cell += mark
            else:
                rows.append((line, [*cells, cell]))
                cells, cell, opened = [], "", False
            line += 1
        elif mark == separator and not inside:
            cells, cell, opened = [*cells, cell], "", False
        elif opened and not inside:
            return None
        else:
            cell += mark
    if inside:
        return None
    if cells or cell or opened:
        rows.append((line, [*cells, cell]))
    return rows
