"""Reader of N-CMAPSS's HDF5 files, flight by flight.

Datasets are [second, column], with suffix `_dev` or `_test`: W (scenario), X_s (measured), X_v
(virtual sensors), Y (RUL), A (unit, cycle, flight class, health state); `W_var` … name their
columns. Of A, only unit and cycle are read. T, the hidden health, is never opened.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.ncmapss import CONDITIONS, FILES, SENSORS, VIRTUAL_SENSORS
from cmapss_rul.system.errors import DataError, one_line

SIMULATED = "simulated"
"""HDF5 attribute that marks synthetic files; set by `scripts/synthetic_ncmapss.py`."""

_BLOCK = 1 << 18  # records per read of unit and cycle: 4 MB
_LONGEST = 200_000
"""Maximum seconds of a flight; *measured* by others: the longest flight of DS02 has 27,116."""
_INSTALL = "reading N-CMAPSS needs h5py: pip install 'cmapss_rul[ncmapss]'"


class Flight(NamedTuple):
    """Records `start` to `stop` (exclusive) of one flight."""

    unit: int
    cycle: int
    start: int
    stop: int

    def __str__(self) -> str:
        return f"flight {self.cycle} of unit {self.unit}"


@dataclass(frozen=True)
class FlightFile:
    """The development or the test units of an open file.

    Attributes:
        simulated: whether the file is marked as synthetic.
        as_published: whether it has the published numbers of records and is not synthetic.
    """

    path: Path
    part: str
    labels: bool
    simulated: bool
    as_published: bool
    _values: list[tuple[str, Any, list[int], tuple[str, ...]]]
    _rul: Any
    _index: Any
    _unit: int
    _cycle: int

    def error(self, text: str) -> DataError:
        """Return an error that names the file."""
        return DataError(f"{self.path}: {text}")

    def flights(self) -> Iterator[Flight]:
        """Yield the flights in the order of the file.

        Raises:
            DataError: a unit or cycle is not a whole number, flights do not ascend, or a flight is
                too long.
        """
        total, start = self._index.shape[0], 0
        last: tuple[int, int] | None = None
        seen: set[int] = set()
        for begin in range(0, total, _BLOCK):
            block = slice(begin, min(begin + _BLOCK, total))
            # only these two columns: the fourth one is the true health state
            columns = [self._read("A", self._index, (block, i)) for i in (self._unit, self._cycle)]
            pair = np.stack(columns, axis=1)
            valid = (pair >= 1) & (pair < 2**31) & (pair == np.floor(pair))
            invalid = np.flatnonzero(~valid.all(axis=1))
            if len(invalid):
                row = invalid[0]
                raise self.error(
                    f"A_{self.part}, record {begin + row}: found unit {pair[row, 0]:g}, cycle "
                    f"{pair[row, 1]:g}, expected whole numbers from 1 on"
                )
            changes = np.flatnonzero((np.diff(pair, axis=0) != 0).any(axis=1)) + 1
            for row in [0, *changes.tolist()]:
                unit, cycle = map(int, pair[row])
                if (unit, cycle) == last:
                    continue
                if last is not None:
                    yield self._flight(*last, start, begin + row)
                    start = begin + row
                if last is None or unit != last[0]:
                    if unit in seen:
                        raise self.error(f"found records of unit {unit} in two places of A")
                    seen.add(unit)
                elif cycle < last[1]:
                    raise self.error(f"found flight {cycle} of unit {unit} after flight {last[1]}")
                last = unit, cycle
        if last is None:
            raise self.error(f"found no records in A_{self.part}")
        yield self._flight(*last, start, total)

    def _flight(self, unit: int, cycle: int, start: int, stop: int) -> Flight:
        flight = Flight(unit, cycle, start, stop)
        if stop - start > _LONGEST:
            raise self.error(f"found {stop - start:,} records of {flight}, expected one per second")
        return flight

    def values(self, flight: Flight) -> NDArray[np.float64]:
        """Return W, X_s and, if opened, X_v: [second, channel].

        Raises:
            DataError: a value is not finite, or cannot be read.
        """
        parts = []
        for name, dataset, order, channels in self._values:
            block = self._read(name, dataset, slice(flight.start, flight.stop))[:, order]
            if not np.isfinite(block).all():
                row, column = np.argwhere(~np.isfinite(block))[0]
                raise self.error(
                    f"found {block[row, column]} in {channels[column]} ({name}_{self.part}) in "
                    f"second {row + 1} of {flight}, expected a finite number"
                )
            parts.append(block)
        return np.concatenate(parts, axis=1)

    def rul(self, flight: Flight) -> float:
        """RUL of a flight, which must be constant over its records; 0 if labels are not opened."""
        if not self.labels:
            return 0.0
        found = self._read("Y", self._rul, slice(flight.start, flight.stop)).ravel()
        if not (found == found[0]).all() or not 0 <= found[0] < 10**9:
            raise self.error(
                f"found RUL {found.min():g} to {found.max():g} (Y) in {flight}, expected one number"
            )
        return float(found[0])

    def _read(self, name: str, dataset: Any, rows: Any) -> NDArray[np.float64]:
        try:
            return np.asarray(dataset[rows], dtype=np.float64)
        except OSError as error:
            raise self.error(
                f"{name}_{self.part} cannot be read ({one_line(error)[:160]}); the file may be "
                "damaged: get it again"
            ) from error


@contextlib.contextmanager
def open_flight_file(path: Path, part: str, *, virtual: bool, labels: bool) -> Iterator[FlightFile]:
    """Open the development (`dev`) or the `test` units of a file.

    Args:
        path: the HDF5 file.
        part: `dev` or `test`.
        virtual: whether to open X_v, the virtual sensors.
        labels: whether to open Y, the RUL.

    Raises:
        DataError: h5py is missing, or the file is damaged or has another layout.
    """
    try:
        import h5py
    except ImportError as error:
        raise DataError(f"{path}: {_INSTALL}") from error
    if not path.is_file():
        raise DataError(f"{path}: found no regular file, expected a file of N-CMAPSS")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: {_describe_open_error(path, one_line(error))}") from error
    with file:
        yield _layout(file, path, part, virtual=virtual, labels=labels)


def _describe_open_error(path: Path, reason: str) -> str:
    if "truncated" in reason:
        published = path.name == FILES["DS08d"].file
        return "the file ends early; " + (
            "so does the one that NASA serves: use another set" if published else "get it again"
        )
    if "signature" in reason:
        return "found no HDF5 file, expected one of N-CMAPSS"
    return f"cannot be opened: {reason[:160]}"


def _layout(file: Any, path: Path, part: str, *, virtual: bool, labels: bool) -> FlightFile:
    """Find the datasets and their columns, and check their shapes."""
    index = _dataset(file, path, f"A_{part}")
    rows = index.shape[0]
    found: list[tuple[str, Any, list[int], tuple[str, ...]]] = []
    for name, channels in (("W", CONDITIONS), ("X_s", SENSORS), ("X_v", VIRTUAL_SENSORS)):
        if name == "X_v" and not virtual:
            continue
        dataset = _dataset(file, path, f"{name}_{part}", rows)
        found.append((name, dataset, _positions(file, path, name, dataset, channels), channels))
    unit, cycle = _positions(file, path, "A", index, ("unit", "cycle"))
    records = tuple(
        file[name].shape[0] if name in file and file[name].shape else 0
        for name in ("A_dev", "A_test")
    )
    published = [one.records for one in FILES.values() if one.file == path.name]
    simulated = bool(file.attrs.get(SIMULATED, False))
    return FlightFile(
        path=path,
        part=part,
        labels=labels,
        simulated=simulated,
        as_published=not simulated and records in published,
        _values=found,
        _rul=_dataset(file, path, f"Y_{part}", rows) if labels else None,
        _index=index,
        _unit=unit,
        _cycle=cycle,
    )


def _dataset(file: Any, path: Path, name: str, rows: int | None = None) -> Any:
    """Return a numeric dataset [second, column], after checks of its shape and compression."""
    import h5py

    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        present = ", ".join(list(file)[:6]) or "nothing"
        raise DataError(f"{path}: has no dataset {name}; found {present}; is it of N-CMAPSS?")
    if dataset.ndim != 2 or dataset.dtype.kind not in "fiu":
        raise DataError(
            f"{path}: found {name} of shape {dataset.shape} and type {dataset.dtype}, expected "
            "numbers in rows and columns"
        )
    if rows is not None and dataset.shape[0] != rows:
        raise DataError(
            f"{path}: found {dataset.shape[0]:,} records in {name}, expected {rows:,} as in A"
        )
    properties = dataset.id.get_create_plist()
    for i in range(properties.get_nfilters()):
        code, *_, label = properties.get_filter(i)
        if not h5py.h5z.filter_avail(code):
            shown = one_line(label.decode(errors="replace")) or "of no name"
            raise DataError(
                f"{path}: {name} is compressed with filter {code} ({shown[:40]}), which this h5py "
                "lacks; repack it without: h5repack -f NONE IN OUT"
            )
    return dataset


def _positions(
    file: Any, path: Path, name: str, dataset: Any, channels: tuple[str, ...]
) -> list[int]:
    """Return the positions of channels, from the column names in `…_var`."""
    try:
        cells = np.asarray(file[f"{name}_var"]).ravel().tolist()
        names = [c.decode().strip() if isinstance(c, bytes) else str(c).strip() for c in cells]
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise DataError(f"{path}: has no readable {name}_var, the names of {name}") from error
    if len(names) != dataset.shape[1]:
        raise DataError(
            f"{path}: {name}_var has {len(names)} names for {dataset.shape[1]} columns of {name}"
        )
    missing = [channel for channel in channels if channel not in names]
    if missing:
        raise DataError(f"{path}: {name} has no {missing[0]}; {name}_var names {', '.join(names)}")
    return [names.index(channel) for channel in channels]
