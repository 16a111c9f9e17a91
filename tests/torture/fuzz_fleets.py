"""Checks of `fuzz_tables` for whole fleets: ids, events, labels and duplicates.

Every check uses the rows of the slow reader and shares no code with the package. Only certain
facts are checked, so that mutations cause no false alarms.
"""

import itertools
from collections.abc import Sequence
from random import Random

import numpy as np

from cmapss_rul.data.column_inference import InferredColumns
from cmapss_rul.data.conditions import NoConditions
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fingerprints import find_duplicates
from cmapss_rul.data.records import Records, read_records
from cmapss_rul.system.errors import DataError
from tests.data._slow_tables import Row, slow_table
from tests.torture.fuzzing import Defect

INPUTS = ("load %", "temp")
_CONFIG = DataConfig(
    train="x", engine="asset", cycle="hour", sensors=INPUTS, conditions=NoConditions()
)
_ENGINES = 13
"""Engines of which the default split leaves the ten that a label has to agree in."""

_FLAGS = {1.0: True, 0.0: False}


def check_records(data: bytes, slow: Sequence[Row], unnamed: Sequence[str]) -> None:
    """Compare names, events and duplicates with the rows of the slow reader."""
    try:
        records = read_records(data, "x", _CONFIG)
    except DataError:
        return  # of a cycle, say: the tables themselves are compared elsewhere
    names = list(dict.fromkeys(row.engine for row in slow))
    if list(map(str, records.names)) != names:
        raise Defect(f"engines {records.names}, whereas the file has {names}")
    _check_duplicates(records, slow, names)
    _check_event(data, names, unnamed)


def _check_duplicates(records: Records, slow: Sequence[Row], names: Sequence[str]) -> None:
    """Engines with equal records must be linked by pairs of duplicates."""
    same: dict[tuple[tuple[float, ...], ...], list[str]] = {}
    for name in names:
        rows = sorted(row.numbers for row in slow if row.engine == name)
        record = tuple(tuple(np.float32(value).item() for value in row[1:]) for row in rows)
        if len(set(record)) > 1:
            same.setdefault(record, []).append(name)
    group = dict(zip(names, names, strict=True))
    for pair in find_duplicates(records.fleet, INPUTS):
        one, other = (group[names[number - 1]] for number in pair)
        group = {name: one if of == other else of for name, of in group.items()}
    for duplicates in same.values():
        if len({group[name] for name in duplicates}) > 1:
            raise Defect(f"twins that were not found: {duplicates}")


def _check_event(data: bytes, names: Sequence[str], unnamed: Sequence[str]) -> None:
    """Which engines are censored, where each has one event."""
    rows = slow_table(data, "asset", ["hour", *INPUTS, "failed"], unnamed)
    if rows is None:
        return
    events = {name: {row.numbers[-1] for row in rows if row.engine == name} for name in names}
    valid = all(len(found) == 1 and found <= {*_FLAGS} for found in events.values())
    try:
        fleet = read_records(data, "x", _CONFIG, event="failed").fleet
    except DataError as error:
        if valid:
            raise Defect(f"refused events that are right: {error}") from error
        return
    censored = [names[number - 1] for number in fleet.censored]
    if not valid or censored != [name for name in names if events[name] == {0.0}]:
        raise Defect(f"censored engines {censored}, whereas the file has {events}")


def check_labels(data: bytes, found: InferredColumns, unnamed: Sequence[str]) -> None:
    """A sensor of the draft must be no strictly monotone function of the RUL."""
    for column in found.sensors:
        rows = slow_table(data, "asset", ["hour", column.name], unnamed)
        if rows is None:
            continue
        last = {row.engine: 0.0 for row in rows}
        for row in rows:
            last[row.engine] = max(last[row.engine], row.numbers[0])
        by_rul: dict[float, set[float]] = {}
        for row in rows:
            by_rul.setdefault(last[row.engine] - row.numbers[0], set()).add(row.numbers[1])
        if len(last) < _ENGINES or len(by_rul) < 3 or any(len(v) > 1 for v in by_rul.values()):
            continue
        values = [min(by_rul[rul]) for rul in sorted(by_rul)]
        steps = {one < other for one, other in itertools.pairwise(values)}
        if len(set(values)) == len(values) and len(steps) == 1:
            raise Defect(f"the label {column.name} is a sensor of the draft")


def make(random: Random) -> bytes:
    """A fleet with ids that look alike, an event, a label under a plain name, and twins."""
    ids = random.sample(["7", "07", "007", "7.0", "+7", "A7", "8", "08", "9", "10", "010", "11",
                         "12", "13", "14", "15"], random.choice((3, _ENGINES, 15)))  # fmt: skip
    if random.random() < 0.3:
        ids = [str(i) for i in range(1, len(ids) + 1)]  # numbers, as they are printed
    words = random.choice((("1", "0"), ("1", "0"), ("0", "1"), ("1", "2")))
    slope, offset = random.choice((-1, 1, 3)), random.randrange(100)
    lines, records = ["asset,hour,load %,temp,vib,failed"], []
    for number, name in enumerate(ids):
        life = random.randrange(4, 9)
        values = [(round(random.random(), 2), round(random.gauss(0, 1), 3)) for _ in range(life)]
        if records and random.random() < 0.1:
            values = random.choice(records)  # a twin
        records.append(values)
        event = words[number % 3 == 0]
        for cycle, (load, temp) in enumerate(values, start=1):
            label = offset + slope * (len(values) - cycle)
            lines.append(f"{name},{cycle},{load},{temp},{label},{event}")
    return "\n".join(lines).encode()
