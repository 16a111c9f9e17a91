"""An independent, slow and simple reader of C-MAPSS text in plain Python.

It shares no code with the package: tests compare every table that the package accepts, and every
text that it refuses, with this reader.
"""

from fractions import Fraction

_WHITE = b" \t\v\f"
_HUGE = 100_000  # exponents beyond which the result is 0 or infinite


def slow_fleet(content: bytes) -> list[list[float]] | None:
    """Rows of unit, cycle and 24 values; None where the text is no whole table."""
    rows = _rows(content, 26)
    if rows is None:
        return None
    unit, cycle = 0.0, 0.0
    for row in rows:
        if row[0] == unit and unit >= 1:
            cycle += 1
        else:
            unit, cycle = unit + 1, 1.0
        if row[:2] != [unit, cycle]:
            return None
    return rows


def slow_rul(content: bytes) -> list[int] | None:
    """One RUL a row; None where the text is no whole table."""
    rows = _rows(content, 1)
    if rows is None or not all(row[0].is_integer() and 0 <= row[0] <= 10**9 for row in rows):
        return None
    return [int(row[0]) for row in rows]


def _rows(content: bytes, width: int) -> list[list[float]] | None:
    lines = [_words(line) for line in _lines(content)]
    while lines and lines[-1] == []:
        lines.pop()
    rows = []
    for words in lines:
        if words is None or len(words) != width:
            return None
        numbers = [slow_number(word) for word in words]
        if None in numbers:
            return None
        rows.append(numbers)
    return rows or None


def _lines(content: bytes) -> list[bytes]:
    """Lines that end with LF, CR or both; text after the last line end is a line, too."""
    lines = [b""]
    for place, byte in enumerate(content):
        if byte == 10 and place and content[place - 1] == 13:
            continue
        if byte in (10, 13):
            lines.append(b"")
        else:
            lines[-1] += bytes([byte])
    return lines


def _words(line: bytes) -> list[bytes] | None:
    words = [b""]
    for byte in line:
        if byte in _WHITE:
            words.append(b"")
        elif 32 < byte < 127:
            words[-1] += bytes([byte])
        else:
            return None
    return [word for word in words if word]


def slow_number(word: bytes) -> float | None:
    """A decimal number, rounded once from its exact fraction; None for anything else."""
    text = word.decode("ascii").lower()
    mantissa, has_exponent, exponent = text.partition("e")
    sign, mantissa = _sign(mantissa)
    whole, _, decimals = mantissa.partition(".")
    down, places = _sign(exponent)
    if not _digits(whole + decimals) or (has_exponent and not _digits(places)):
        return None
    value = Fraction(_integer(whole + decimals), 10 ** len(decimals))
    shift = _integer(places) if has_exponent else 0
    if value and shift > _HUGE:
        return sign * 0.0 if down < 0 else None
    value = value / 10**shift if down < 0 else value * 10**shift if value else value
    try:
        return sign * float(value)
    except OverflowError:
        return None


def _sign(text: str) -> tuple[float, str]:
    if text[:1] in ("+", "-"):
        return (-1.0 if text[0] == "-" else 1.0), text[1:]
    return 1.0, text


def _digits(text: str) -> bool:
    return text != "" and all(character in "0123456789" for character in text)


def _integer(digits: str) -> int:
    """Digit by digit: int() refuses texts of more than 4,300 digits."""
    value = 0
    for digit in digits:
        value = 10 * value + "0123456789".index(digit)
    return value
