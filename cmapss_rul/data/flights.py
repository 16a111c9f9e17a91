"""Conversion of N-CMAPSS's records, one per second, to one row per flight or per n-th second.

    file → one flight at a time: W, X_s (and X_v) → rows of the flight → cache entry of the unit

A flight becomes one row of statistics by phase, or the rows of its seconds 1, 1 + n, 1 + 2n, …

The phase of a record follows from the rate of climb over a minute: climb above 300 ft/min,
descent below −300 ft/min, cruise between. For a phase that does not occur in a flight, the
statistics are those of the whole flight, and the duration is 0.

Memory is bounded by one flight and the resulting rows. Each unit is a cache entry, written as soon
as it is complete, so that an interrupted conversion resumes at the next unit. Training opens
entries and datasets of development units only. The hidden health state (T, and hs in A) is never
read.
"""

import hashlib
import json
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cmapss_rul.data.cache import cache_folder, load_fleet, store_fleet
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.flight_file import Flight, FlightFile, open_flight_file
from cmapss_rul.data.ncmapss import PHASES, STATISTICS, sensor_names, setting_names
from cmapss_rul.data.records import Records
from cmapss_rul.data.verification import Provenance
from cmapss_rul.system.errors import DataError
from cmapss_rul.system.files import remove_partial_files, write_atomic
from cmapss_rul.system.locks import wait_for_folder

FORMAT = 1
"""Must be incremented whenever the statistics or the layout of an entry change."""

Part = Literal["dev", "test"]

CLIMB = 5.0
"""Rate of climb, ft/s, above which a flight climbs, and below whose negative it descends."""
HALF_MINUTE = 30
"""Seconds before and after a record, between which the rate of climb is computed."""

_RUL = "RUL"


def raw_columns(*, virtual: bool, seconds: bool = False) -> tuple[str, ...]:
    """Columns of flights or of seconds: settings, sensors and, optionally, virtual sensors."""
    return setting_names(seconds=seconds) + sensor_names(seconds=seconds, virtual=virtual)


@dataclass(frozen=True)
class Flights:
    """Flights of the development or of the test units.

    Attributes:
        records: units renumbered 1, 2, … in the order of the file, named by their numbers there.
        rul: [unit], RUL after the last flight, in flights.
    """

    records: Records
    rul: NDArray[np.int64]


def read_flights(
    path: Path, part: Part, *, virtual: bool, stride: int | None = None, labels: bool = True
) -> Flights:
    """Read the flights of the development or of the test units, from the cache if possible.

    If the cache folder cannot be written, every call converts the file again.

    Args:
        path: the HDF5 file.
        part: `dev` or `test`.
        virtual: whether to read X_v.
        stride: every stride-th second becomes a row; None for one row per flight.
        labels: whether to read Y; otherwise the RUL of the units is 0.

    Raises:
        DataError: the file is invalid, or its RUL does not fall by one per flight.
    """
    entries = _Entries.of(path, part, virtual=virtual, stride=stride, labels=labels)
    units = entries.read()
    if units is None:
        with ExitStack() as stack:
            writable = True
            try:
                stack.enter_context(wait_for_folder(entries.folder))
                remove_partial_files(entries.folder)
            except DataError:
                writable = False
            units = _convert(path, part, entries, writable=writable)
    fleet = _join([fleet for _, fleet in units], entries.columns)
    rul = fleet.values[fleet.last_rows, 0].astype(np.int64)
    # remove the RUL from the columns, so that nothing but the labels can use it
    fleet = Fleet.from_rows(fleet.engine, fleet.cycle, fleet.values[:, 1:], entries.columns[1:])
    fleet = replace(fleet, seconds=stride is not None)
    missing = np.zeros(fleet.rows, dtype=np.int64)
    names = [unit for unit, _ in units]
    return Flights(Records(fleet, names, missing, has_condition_columns=True), rul)


@dataclass(frozen=True)
class _Entries:
    """The cache entries of one part of a file: the list of its units, and one file per unit."""

    folder: Path
    stem: str
    key: str
    virtual: bool
    stride: int | None
    labels: bool

    @classmethod
    def of(
        cls, path: Path, part: Part, *, virtual: bool, stride: int | None, labels: bool
    ) -> "_Entries":
        # size and modification time: hashing gigabytes would take longer than everything else
        key = f"{FORMAT} {_stamp(path)} {virtual} {labels}" + (f" {stride}" if stride else "")
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        return cls(cache_folder(path), f"{path.stem}-{part}", digest, virtual, stride, labels)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of an entry."""
        return (_RUL, *raw_columns(virtual=self.virtual, seconds=self.stride is not None))

    @property
    def units(self) -> Path:
        """Path of the list of units."""
        return self.folder / f"{self.stem}-{self.key}.json"

    def of_unit(self, unit: int) -> Path:
        """Path of a unit's rows."""
        return self.folder / f"{self.stem}-{unit}-{self.key}.rows"

    def read(self) -> list[tuple[int, Fleet]] | None:
        """Load all units with their rows; None unless all entries are valid."""
        try:
            units = [int(unit) for unit in json.loads(self.units.read_bytes())]
        except (OSError, ValueError, TypeError):
            return None
        fleets = [load_fleet(self.of_unit(unit), self.columns) for unit in units]
        if not fleets or any(fleet is None for fleet in fleets):
            return None
        return [(unit, f) for unit, f in zip(units, fleets, strict=True) if f is not None]


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return f"{found.st_size} {found.st_mtime_ns}"


def _convert(
    path: Path, part: Part, entries: _Entries, *, writable: bool
) -> list[tuple[int, Fleet]]:
    """Convert the units without a cache entry; return all units."""
    with open_flight_file(path, part, virtual=entries.virtual, labels=entries.labels) as file:
        by_unit: dict[int, list[Flight]] = {}
        for flight in file.flights():
            by_unit.setdefault(flight.unit, []).append(flight)
        found = []
        total = sum(map(len, by_unit.values()))
        with tqdm(total=total, unit="flight", desc=path.name, leave=False, disable=None) as bar:
            for unit, flights in by_unit.items():
                entry = entries.of_unit(unit)
                fleet = load_fleet(entry, entries.columns) if writable else None
                if fleet is None:
                    fleet = _unit_rows(file, flights, entries)
                    with suppress(OSError):  # a full disk: the next call retries
                        if writable:
                            store_fleet(entry, fleet)
                bar.update(len(flights))
                found.append((unit, fleet))
    if writable:
        with suppress(OSError):
            write_atomic(entries.units, json.dumps([*by_unit]))
    return found


def _unit_rows(file: FlightFile, flights: list[Flight], entries: _Entries) -> Fleet:
    rul = np.array([file.rul(flight) for flight in flights])
    cycle = np.array([flight.cycle for flight in flights], dtype=np.int64)
    if file.labels:
        expected = rul[-1] + cycle[-1] - cycle
        wrong = np.flatnonzero(rul != expected)
        if len(wrong):
            raise file.error(
                f"found RUL {rul[wrong[0]]:g} in Y in {flights[wrong[0]]}, expected "
                f"{expected[wrong[0]]:g}: it falls by one per flight to {rul[-1]:g} in the last"
            )
    stride, parts = entries.stride, []
    for flight in flights:
        values = file.values(flight)
        # a copy, because a view would keep all seconds in memory
        parts.append(values[::stride].copy() if stride else flight_row(values)[None])
    lengths = [len(part) for part in parts]
    rows = np.column_stack([np.repeat(rul, lengths), np.concatenate(parts)])
    engine = np.full(len(rows), flights[0].unit, dtype=np.int64)
    return Fleet.from_rows(engine, np.repeat(cycle, lengths), rows, entries.columns)


def flight_row(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Summarise a flight by the duration of its phases and statistics by channel and phase.

    Args:
        values: [second, channel], altitude in ft first.

    Returns:
        [column], in the order of `raw_columns`.
    """
    phase = phases(values[:, 0])
    parts = [values[phase == number] for number in range(len(PHASES))]
    seconds = [float(len(part)) for part in parts]
    # [statistic, phase, channel]; a phase that did not occur has those of the whole flight
    table = np.stack([statistics(part if len(part) else values) for part in parts], axis=1)
    settings = table[:, :, :4].transpose(2, 1, 0).ravel()
    sensors = table[:, :, 4:].transpose(2, 1, 0).ravel()
    return np.concatenate([seconds, settings, sensors])


def statistics(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute statistics [statistic, channel], in the order of `STATISTICS`."""
    assert STATISTICS == ("mean", "std", "min", "max")
    return np.stack([values.mean(0), values.std(0), values.min(0), values.max(0)])


def phases(altitude: NDArray[np.float64]) -> NDArray[np.int64]:
    """Classify each second, as an index into `PHASES`, by the altitude [second] in ft.

    >>> phases(np.concatenate([np.arange(0, 1000, 10.0), np.full(100, 1000.0)]))[[0, 60, 180]]
    array([0, 0, 1])
    """
    second = np.arange(len(altitude))
    before = np.maximum(second - HALF_MINUTE, 0)
    after = np.minimum(second + HALF_MINUTE, len(altitude) - 1)
    slope = (altitude[after] - altitude[before]) / np.maximum(after - before, 1)
    return np.where(slope > CLIMB, 0, np.where(slope < -CLIMB, 2, 1))


def _join(fleets: list[Fleet], columns: tuple[str, ...]) -> Fleet:
    lengths = [fleet.rows for fleet in fleets]
    return Fleet.from_rows(
        np.repeat(np.arange(1, len(fleets) + 1), lengths),
        np.concatenate([fleet.cycle for fleet in fleets]),
        np.concatenate([fleet.values for fleet in fleets]),
        columns,
    )


# ---- provenance ----------------------------------------------------------------------------


def flight_provenance(path: Path) -> Provenance:
    """Return the provenance of an N-CMAPSS file: its SHA-256, and whether it is as published.

    NASA publishes no digests, so a file counts as official if it has the published numbers of
    records and is not marked as synthetic. The digest is computed once and cached for as long as
    size and modification time stay the same.

    Raises:
        DataError: the file cannot be read.
    """
    key = hashlib.sha256(f"{FORMAT} {_stamp(path)}".encode()).hexdigest()[:32]
    note = cache_folder(path) / f"{path.stem}-{key}.sha256.json"
    with suppress(OSError, ValueError, TypeError):
        return Provenance(**json.loads(note.read_bytes()))
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    with open_flight_file(path, "dev", virtual=False, labels=False) as file:
        simulated, official = file.simulated, file.as_published
    found = Provenance(path.name, digest, digest, official, simulated)
    with suppress(OSError, DataError), wait_for_folder(note.parent):
        write_atomic(note, json.dumps(asdict(found)))
    return found
