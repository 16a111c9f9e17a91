"""Campaign: any bytes as a user's own table: CSV, C-MAPSS text or Parquet.

The first byte of an input decides: odd, `rul config new` looks through the rest and drafts a
configuration, which must be valid and printable; even, the rest is read as `rul predict` and
training on a fleet of one's own read it. Each accepted table without quotes is held against a
plain split of its lines, number by number.
"""

import io
import math
import sys
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd

from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.data.conditions import NoConditions
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.lines import PARQUET
from cmapss_rul.data.records import Records, read_records
from cmapss_rul.data.survey import survey
from cmapss_rul.errors import DataError, UsageError
from cmapss_rul.training.draft import draft
from tests.torture import fuzzing
from tests.torture.counts import Counts
from tests.torture.fuzzing import Defect, Target, require_one_line
from tests.torture.havoc import havoc

_SENSORS = ("pressure", "speed fan")
_CONFIG = DataConfig(
    train="x.csv", engine="unit", cycle="cycle", sensors=_SENSORS, conditions=NoConditions()
)


def check(data: bytes) -> bool:
    """Read or survey one input."""
    content = data[1:]
    try:
        if data[:1] and data[0] % 2:
            text = draft(survey(content, "x.csv"), Path("x.csv"))
            if not text.replace("\n", "").isprintable():
                raise Defect("the draft holds control characters")
            return True
        found = read_records(content, "x.csv", _CONFIG, gaps=None)
    except (DataError, UsageError) as error:
        require_one_line(str(error))
        if not str(error).startswith("x.csv"):
            raise Defect(f"a refusal that does not name the file first: {error}") from error
        return False
    if not np.isfinite(found.fleet.values).all():
        raise Defect("a number that is not finite")
    if b'"' not in content and not content.startswith(PARQUET):
        _check_numbers(content, found)
    return True


def _check_numbers(content: bytes, found: Records) -> None:
    """Some separator must give the same rows."""
    names = [found.names[number - 1] for number in found.fleet.engine]
    values = found.fleet.pick(list(_SENSORS))
    rows = sorted(
        (str(name), int(cycle), *map(float, row))
        for name, cycle, row in zip(names, found.fleet.cycle, values, strict=True)
    )
    for separator in (",", ";", "\t"):
        if _plain(content, separator, whole=isinstance(found.names[0], int)) == rows:
            return
    raise Defect("a table that a plain split of its lines does not give")


def _plain(content: bytes, separator: str, *, whole: bool) -> list[tuple[object, ...]] | None:
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "backslashreplace")
    lines = [line.split(separator) for line in io.StringIO(text, newline=None) if line.strip()]
    lines = [[cell.strip() for cell in line] for line in lines if any(map(str.strip, line))]
    header = lines[0]
    try:
        engine, cycle, *sensors = (header.index(name) for name in ("unit", "cycle", *_SENSORS))
        return sorted(
            (
                str(int(float(line[engine]))) if whole else line[engine],
                int(float(line[cycle])),
                *(float(line[place]) for place in sensors),
            )
            for line in lines[1:]
        )
    except (ValueError, IndexError, OverflowError):
        return None


_CELLS = (
    "1", "2", "3", "1.0", "01", "+1", "-1", "0", "1e0", "10", "a", "b c", "", " ", "nan", "inf",
    "-inf", "NULL", "true", "0x10", "1_0", "1e400", "1e31", "1e30", "1e-320", "9" * 30, "1,5",
    "٣", "\u202e", "\x1b[31m", "\x00", "\x85", "\u2028", '"', '"1"', '"a\nb"', "1.5", "2.25",
)  # fmt: skip
_NAMES = (
    "unit", "cycle", *_SENSORS, "Unit", "engine id", "time", "s2", "sensor_2", "setting 1", "RUL",
    "altitude", "ttf", "", " unit ", "note", "x" * 300, "\x1b[2J", "data: {",
)  # fmt: skip


def make(random: Random) -> bytes:
    """A table with a few odd cells, names, lines or separators."""
    names = ["unit", "cycle", *_SENSORS, *random.choice((("note",), (), ("setting 1", "RUL")))]
    random.shuffle(names)
    engines, length = random.choice((1, 2, 3)), random.choice((1, 2, 5))
    rows = [
        [_cell(name, str(engine), cycle, random) for name in names]
        for engine in range(1, engines + 1)
        for cycle in range(1, length + 1)
    ]
    if random.random() < 0.3:
        names[random.randrange(len(names))] = random.choice(_NAMES)
    for _ in range(random.choice((0, 0, 1, 2))):
        row = random.choice(rows)
        row[random.randrange(len(row))] = random.choice(_CELLS)
    if random.random() < 0.1:
        random.choice(rows).append("1")
    separator = random.choice((",", ",", ";", "\t", " "))
    end = random.choice(("\n", "\n", "\r\n", "\r", "\n\n"))
    text = end.join(separator.join(line) for line in [names, *rows]) + random.choice((end, ""))
    return random.choice((b"\0", b"\1")) + text.encode("utf-8", "surrogateescape")


def _cell(name: str, engine: str, cycle: int, random: Random) -> str:
    if name == "unit":
        return engine
    return str(cycle) if name == "cycle" else f"{random.gauss(0, 9):.3f}"


def _parquet() -> bytes:
    columns = {"unit": ["a", "a", "b"], "cycle": [1, 2, 1]}
    columns |= {name: [0.5, 1.5, math.pi] for name in _SENSORS}  # type: ignore[dict-item]
    stream = io.BytesIO()
    pd.DataFrame(columns).to_parquet(stream)
    return stream.getvalue()


_TABLE = b"unit,cycle,pressure,speed fan,note\n1,1,0.5,2,x\n1,2,0.6,3,y\n2,1,7,8,z\n"
_TEXT = b"".join(
    b"1 %d " % cycle + b" ".join(b"%d.%d" % (i, cycle) for i in range(len(COLUMNS))) + b"\n"
    for cycle in (1, 2, 3)
)


def mutate_or_make(random: Random) -> bytes:
    """A table, or one of those above with a few bytes changed."""
    if random.random() < 0.7:
        return make(random)
    whole = random.choice((_TABLE, _TEXT, _TABLE.replace(b",", b";")))
    return random.choice((b"\0", b"\1")) + havoc(whole, random, TARGET.words, _TABLE)


TARGET = Target(
    name="tables",
    check=check,
    seeds=(
        *(kind + text for kind in (b"\0", b"\1") for text in (_TABLE, _TEXT, _parquet())),
        b"\0\xef\xbb\xbf" + _TABLE.replace(b"\n", b"\r\n"),
        b"\1unit;cycle;altitude;pressure\n1;1;0;0.5\n1;2;10;0.7\n",
        b"\0",
        b"",
    ),
    words=tuple(
        word.encode("utf-8", "surrogateescape") for word in (*_CELLS, *_NAMES, ",", ";", "\t", "\n")
    ),
    modules=(
        "cmapss_rul.data.records", "cmapss_rul.data.tables", "cmapss_rul.data.survey",
        "cmapss_rul.data.spellings", "cmapss_rul.training.draft",
    ),
    make=mutate_or_make,
)  # fmt: skip


def run(rounds: int, seed: int, engine: str = "auto") -> Counts:
    """Run the campaign."""
    return fuzzing.run(TARGET, rounds, seed, engine)


if __name__ == "__main__":
    sys.exit(fuzzing.main(TARGET))
