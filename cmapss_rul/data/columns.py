"""Names of the subsets, the files and the columns of C-MAPSS, and aliases of the columns.

A fleet of one's own has column names of its own, which are matched exactly. Aliases apply to
the C-MAPSS names only; case, spaces and punctuation are ignored.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from cmapss_rul.display.text import nearest, printable
from cmapss_rul.system.errors import DataError

SubsetName = Literal["FD001", "FD002", "FD003", "FD004"]
FileKind = Literal["train", "test", "RUL"]

SUBSETS: tuple[SubsetName, ...] = ("FD001", "FD002", "FD003", "FD004")
SETTINGS: tuple[str, ...] = tuple(f"setting_{i}" for i in range(1, 4))
SENSORS: tuple[str, ...] = tuple(f"sensor_{i}" for i in range(1, 22))
COLUMNS: tuple[str, ...] = SETTINGS + SENSORS
"""The 24 measured columns in the order of the files, after unit and cycle."""

LITERATURE_SENSORS: tuple[str, ...] = tuple(
    f"sensor_{i}" for i in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)
)
"""The 14 sensors that most papers keep: those that vary in FD001."""

CONDITIONS: dict[SubsetName, int] = {"FD001": 1, "FD002": 6, "FD003": 1, "FD004": 6}
FAULTS: dict[SubsetName, int] = {"FD001": 1, "FD002": 1, "FD003": 2, "FD004": 2}


def file_name(kind: FileKind, subset: SubsetName) -> str:
    """Name of one of a subset's three files.

    >>> file_name("RUL", "FD003")
    'RUL_FD003.txt'
    """
    return f"{kind}_{subset}.txt"


def subset_of(name: str) -> str:
    """Name of the subset that a file belongs to.

    >>> subset_of("RUL_FD003.txt")
    'FD003'
    """
    return name.removesuffix(".txt").rpartition("_")[2]


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


def locate(
    header: Sequence[str],
    needed: Collection[str],
    name: str,
    optional: Collection[str] = (),
    given: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """Find the columns of a table by their names.

    A column under the very name that is looked for goes before one that only means the same;
    columns that nobody looks for may be named anything.

    Args:
        header: names of the table's columns.
        needed: names of those that must be there, ours or a user's own; unit and cycle always
            must.
        name: of the table, in error texts.
        optional: names of those that are found where they are there.
        given: the user's own names of unit and cycle; their usual spellings are not tried then.

    Returns:
        Position of each of these columns that is present.

    Raises:
        DataError: a needed column is missing, or two columns mean the same one.
    """
    exact = {word: word for word in (ENGINE, CYCLE, *needed, *optional)}
    if given:
        exact = {given.get(word, word): word for word in exact}
    spelled = {word for word in exact.values() if word not in (given or {})}
    found: dict[str, int] = {}
    for own in (True, False):
        taken = frozenset(found)
        positions = frozenset(found.values())
        for position, word in enumerate(header):
            meant = exact.get(word.strip()) if own else canonical(word)
            if meant is None or meant in taken or position in positions:
                continue
            if not own and meant not in spelled:
                continue
            if meant in found:
                raise DataError(
                    f"{name}: the columns '{printable(header[found[meant]])}' and "
                    f"'{printable(word)}' both mean {printable(meant)}; rename or remove one"
                )
            found[meant] = position
    missing = [
        word
        for word, meant in exact.items()
        if meant not in found and meant in (ENGINE, CYCLE, *needed)
    ]
    if missing:
        other = missing[0] not in OURS  # a column that means another one of ours is not meant
        unused = [
            word
            for place, word in enumerate(header)
            if place not in found.values() and (other or canonical(word) is None)
        ]
        raise DataError(f"{name}: {_missing(missing, header, unused)}")
    return found


def _missing(missing: Sequence[str], header: Sequence[str], unused: Sequence[str]) -> str:
    first, others = printable(missing[0]), missing[1:]
    text = f"the column {first} is missing"
    if others:
        listed = ", ".join(map(printable, others[:5])) + (" …" if len(others) > 5 else "")
        text += f" (as {'are' if others[1:] else 'is'} {listed})"
    near = nearest(missing[0], unused)
    if near is not None:
        return f"{text}; the nearest present is '{printable(near)}'"
    present = ", ".join(f"'{printable(column)}'" for column in header[:6])
    return f"{text}; found {present}{' …' if len(header) > 6 else ''}"
