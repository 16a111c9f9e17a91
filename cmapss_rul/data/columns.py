"""Names of the subsets, files and columns of C-MAPSS, and aliases of the columns.

Imported by nearly every module, so it imports almost nothing itself.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from cmapss_rul.display.text import nearest, nearest_first
from cmapss_rul.system.errors import DataError, UsageError

SubsetName = Literal["FD001", "FD002", "FD003", "FD004"]
FlightSetName = Literal[
    "DS01", "DS02", "DS03", "DS04", "DS05", "DS06", "DS07", "DS08a", "DS08c", "DS08d"
]
AnySubset = Literal[SubsetName, FlightSetName]
FileKind = Literal["train", "test", "RUL"]
Subset = TypeVar("Subset", bound=str)

SUBSETS: tuple[SubsetName, ...] = ("FD001", "FD002", "FD003", "FD004")
FLIGHT_SETS: tuple[FlightSetName, ...] = get_args(FlightSetName)
"""The subsets of N-CMAPSS, see `data.ncmapss`."""
FILE_KINDS: tuple[FileKind, ...] = ("train", "test", "RUL")
ENGINE, CYCLE = "unit", "cycle"
SETTINGS: tuple[str, ...] = tuple(f"setting_{i}" for i in range(1, 4))
SENSORS: tuple[str, ...] = tuple(f"sensor_{i}" for i in range(1, 22))
COLUMNS: tuple[str, ...] = SETTINGS + SENSORS
"""The 24 measured columns in the order of the files, after unit and cycle."""
FILE_COLUMNS = (ENGINE, CYCLE, *COLUMNS)
"""All 26 columns in the order of the files."""

LITERATURE_SENSORS: tuple[str, ...] = tuple(
    f"sensor_{i}" for i in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)
)
"""The 14 sensors that most papers use: those that vary in FD001."""

CONDITIONS: dict[SubsetName, int] = {"FD001": 1, "FD002": 6, "FD003": 1, "FD004": 6}
FAULTS: dict[SubsetName, int] = {"FD001": 1, "FD002": 1, "FD003": 2, "FD004": 2}

_ENGINE_ENDINGS = ("", "id", "no", "nr", "number")
_ENGINE_ALIASES = {
    "id",  # CMAPSS copies on Kaggle, and Microsoft's predictive maintenance template
    "machineid",  # copies with SensorMeasure1 and OpSet1, on Kaggle
    "datasetid",  # the PHM 2008 challenge set, as some copies name it
    # unit_number of NASA's readme; unit_nr of many notebooks; engine_id, engine_no of others
    *(word + ending for word in ("unit", "engine") for ending in _ENGINE_ENDINGS),
}
_CYCLE_ALIASES = {
    "cycle", "cycles", "timecycle", "timecycles", "timeincycles", "time", "cyclenumber",
}  # fmt: skip
# setting_1, op_setting_1, operational setting 1, OpSet1, os1, op1
_SETTING_ALIAS = re.compile(r"(?:(?:op|operational|operating)?(?:setting|set)|os|op)0*([1-9])")
# s1, sm1, sensor1, sensor_measurement_1, SensorMeasure1
_SENSOR_ALIAS = re.compile(r"(?:s|sm|sensor|sensormeasure|sensormeasurement)0*([1-9][0-9]?)")
_OR_CHOOSE = {
    ENGINE: ", or choose with --engine (data.engine)",
    CYCLE: ", or choose with --cycle (data.cycle)",
}
_LABEL_NAMES = {
    "rul", "ttf", "label", "target", "remainingusefullife", "remaininglife", "remainingcycles",
    "timetofailure", "cyclestofailure",
}  # fmt: skip
_SETTING_SYMBOLS = ("altitude", "mach", "tra")
# Saxena, Goebel, Simon and Eklund, PHM 2008, table 2, in the order of the files
_SENSOR_SYMBOLS = (
    "t2", "t24", "t30", "t50", "p2", "p15", "p30", "nf", "nc", "epr", "ps30", "phi", "nrf",
    "nrc", "bpr", "farb", "htbleed", "nfdmd", "pcnfrdmd", "w31", "w32",
)  # fmt: skip
_SYMBOLS = dict(zip((*_SETTING_SYMBOLS, *_SENSOR_SYMBOLS), COLUMNS, strict=True))


def file_name(kind: FileKind, subset: str) -> str:
    """Name of a subset's train, test or RUL file.

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


def parse_subsets(text: str, known: Sequence[Subset]) -> tuple[Subset, ...]:
    """Parse a comma-separated list of known subsets, in any case; return them in their order.

    >>> parse_subsets("FD003, fd001", SUBSETS), parse_subsets("ds08A", FLIGHT_SETS)
    (('FD001', 'FD003'), ('DS08a',))

    Raises:
        UsageError: a name that is not known.
    """
    names = {name.upper(): name for name in known}
    wanted = [part.strip().upper() for part in text.split(",") if part.strip()]
    for name in wanted:
        if name not in names:
            first = nearest(name, names)
            hint = f"; perhaps {names[first]} was meant" if first else ""
            raise UsageError(
                f"subset '{name}' is unknown{hint}; expected any of "
                f"{', '.join(names[other] for other in nearest_first(name, names))}"
            )
    if not wanted:
        raise UsageError(f"no subset was named; expected any of {', '.join(known)}")
    return tuple(name for name in known if name.upper() in wanted)


def file_names(subsets: Iterable[str]) -> tuple[str, ...]:
    """Names of the three files of each subset."""
    return tuple(file_name(kind, subset) for subset in subsets for kind in FILE_KINDS)


def resolve_alias(name: str) -> str | None:
    """Return the C-MAPSS name of a column, or None; ignores case, spaces and punctuation.

    Punctuation between digits counts: `s2.1` is pandas' name for a second `s2`, not sensor 21.

    >>> resolve_alias("Sensor Measurement 07"), resolve_alias("time_in_cycles")
    ('sensor_7', 'cycle')
    >>> resolve_alias("RUL")
    """
    if re.search(r"[0-9][^A-Za-z0-9]+[0-9]", name):
        return None
    key = re.sub(r"[^a-z0-9]", "", name.lower())
    if key in _ENGINE_ALIASES:
        return ENGINE
    if key in _CYCLE_ALIASES:
        return CYCLE
    found = _SYMBOLS.get(key)
    for kind, pattern in (("setting", _SETTING_ALIAS), ("sensor", _SENSOR_ALIAS)):
        if match := pattern.fullmatch(key):
            found = f"{kind}_{match[1]}"
    return found if found in COLUMNS else None


def is_label_name(name: str) -> bool:
    """Whether a column has a usual name of the RUL.

    >>> is_label_name("Remaining useful life"), is_label_name("life")
    (True, False)
    """
    return re.sub(r"[^a-z]", "", name.lower()) in _LABEL_NAMES


@dataclass(frozen=True)
class ColumnRequest:
    """Columns to find in a table, by C-MAPSS names and their aliases, or by the user's names.

    Attributes:
        needed: required columns, besides unit and cycle.
        optional: columns to find if they exist.
        flags: required boolean columns: true, yes, false and no are read as 1 and 0.
        times: whether the cycle column holds times instead of cycles.
        key_columns: the user's names of unit and cycle, instead of their aliases.
        gappy: columns whose cells may be empty, read as NaN.
    """

    needed: Collection[str] = ()
    optional: Collection[str] = ()
    flags: Collection[str] = ()
    times: bool = False
    key_columns: Mapping[str, str] = field(default_factory=dict)
    gappy: Collection[str] = ()


def find_columns(header: Sequence[str], request: ColumnRequest, table: str) -> dict[str, int]:
    """Find the position of each requested column in the header of a table.

    An exact name takes precedence over an alias. Other columns may have any name.

    Raises:
        DataError: a needed column is missing, or two columns mean the same one.
    """
    own, needed = request.key_columns, (ENGINE, CYCLE, *request.needed, *request.flags)
    wanted = {own.get(name, name): name for name in (*needed, *request.optional)}
    with_aliases = {name for name in wanted.values() if name not in own}

    def by_alias(name: str) -> str | None:
        column = resolve_alias(name)
        return column if column in with_aliases else None

    # exact names first: a table may have both `s2` and `sensor_2`
    found: dict[str, int] = {}
    _add_positions(found, header, lambda name: wanted.get(name.strip()), table)
    _add_positions(found, header, by_alias, table)
    missing = [name for name, column in wanted.items() if column not in found and column in needed]
    if missing:
        raise DataError(f"{table}: {_describe_missing(missing, header, found)}")
    return found


def _add_positions(
    found: dict[str, int], header: Sequence[str], column_of: Callable[[str], str | None], table: str
) -> None:
    """Add the columns not found yet; refuse two columns with the same meaning."""
    before, taken = frozenset(found), frozenset(found.values())
    for position, name in enumerate(header):
        column = column_of(name)
        if column is None or column in before or position in taken:
            continue
        if column in found:
            raise DataError(
                f"{table}: the columns '{header[found[column]]}' and '{name}' both mean "
                f"{column}; rename or remove one{_OR_CHOOSE.get(column, '')}"
            )
        found[column] = position


def _describe_missing(
    missing: Sequence[str], header: Sequence[str], found: Mapping[str, int]
) -> str:
    first, others = missing[0], missing[1:]
    text = f"the column {first} is missing"
    if others:
        listed = ", ".join(others[:5]) + (" …" if len(others) > 5 else "")
        text += f" (as {'are' if others[1:] else 'is'} {listed})"
    # an alias of another C-MAPSS column is not a misspelling of this one
    own = first not in FILE_COLUMNS
    unused = [
        name
        for position, name in enumerate(header)
        if position not in found.values() and (own or resolve_alias(name) is None)
    ]
    near = nearest(first, unused)
    if near is not None:
        return f"{text}; the nearest present is '{near}'"
    present = ", ".join(f"'{name}'" for name in header[:6])
    return f"{text}; found {present}{' …' if len(header) > 6 else ''}"
