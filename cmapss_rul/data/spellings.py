"""Names under which the columns of C-MAPSS go about in other people's files.

The help of `rul predict` says which; capitals, spaces and punctuation make no difference.
"""

import re
from collections.abc import Collection, Sequence

from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.errors import DataError
from cmapss_rul.text import nearest, printable

ENGINE, CYCLE = "unit", "cycle"
OURS = (ENGINE, CYCLE, *COLUMNS)
"""Our own names, in the order of the text files."""

_ENGINE_WORDS = ("unit", "engine")
_ENGINES = {
    "id",
    *_ENGINE_WORDS,
    *(word + end for word in _ENGINE_WORDS for end in ("id", "no", "nr", "number")),
}
_CYCLES = {"cycle", "cycles", "timecycle", "timecycles", "timeincycles", "time", "cyclenumber"}
_SETTING = re.compile(r"(?:(?:op|operational|operating)?(?:setting|set)|os|op)0*([1-9])")
_SENSOR = re.compile(r"(?:s|sm|sensor|sensormeasurement)0*([1-9][0-9]?)")
_SETTING_SYMBOLS = ("altitude", "mach", "tra")
# Saxena, Goebel, Simon and Eklund, PHM 2008, table 2, in the order of the files
_SENSOR_SYMBOLS = (
    "t2", "t24", "t30", "t50", "p2", "p15", "p30", "nf", "nc", "epr", "ps30", "phi", "nrf",
    "nrc", "bpr", "farb", "htbleed", "nfdmd", "pcnfrdmd", "w31", "w32",
)  # fmt: skip
_SYMBOLS = dict(zip((*_SETTING_SYMBOLS, *_SENSOR_SYMBOLS), COLUMNS, strict=True))


def canonical(name: str) -> str | None:
    """Our name of a column, or None where it is none of C-MAPSS's.

    >>> canonical("Sensor Measurement 07"), canonical("time_in_cycles"), canonical("RUL")
    ('sensor_7', 'cycle', None)
    """
    key = re.sub(r"[^a-z0-9]", "", name.lower())
    if key in _ENGINES:
        return ENGINE
    if key in _CYCLES:
        return CYCLE
    found = _SYMBOLS.get(key)
    for kind, pattern in (("setting", _SETTING), ("sensor", _SENSOR)):
        if match := pattern.fullmatch(key):
            found = f"{kind}_{match[1]}"
    return found if found in COLUMNS else None


def locate(header: Sequence[str], needed: Collection[str], name: str) -> dict[str, int]:
    """Find the columns of a table by their names.

    A column under our own name goes before one that only means the same.

    Args:
        header: names of the table's columns.
        needed: our names of those that must be there; unit and cycle always must.
        name: of the table, in error texts.

    Returns:
        Position of each of our columns that is present.

    Raises:
        DataError: a needed column is missing, or two columns mean the same one.
    """
    found: dict[str, int] = {}
    for own in (True, False):
        taken = frozenset(found)
        for position, given in enumerate(header):
            meant = canonical(given)
            if meant is None or meant in taken or (given.strip() == meant) is not own:
                continue
            if meant in found:
                raise DataError(
                    f"{name}: the columns '{printable(header[found[meant]])}' and "
                    f"'{printable(given)}' both mean {meant}; rename or remove one"
                )
            found[meant] = position
    wanted = {ENGINE, CYCLE, *needed}
    missing = [column for column in OURS if column in wanted and column not in found]
    if missing:
        raise DataError(f"{name}: {_missing(missing, header)}")
    return found


def _missing(missing: Sequence[str], header: Sequence[str]) -> str:
    first, others = missing[0], missing[1:]
    text = f"the column {first} is missing"
    if others:
        listed = ", ".join(others[:5]) + (" …" if len(others) > 5 else "")
        text += f" (as {'are' if others[1:] else 'is'} {listed})"
    near = nearest(first, [column for column in header if canonical(column) is None])
    if near is not None:
        return f"{text}; the nearest present is '{printable(near)}'"
    present = ", ".join(f"'{printable(column)}'" for column in header[:6])
    return f"{text}; found {present}{' …' if len(header) > 6 else ''}"
