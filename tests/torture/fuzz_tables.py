"""Campaign: any bytes as a user's own table of text, CSV with a header above all.

Every accepted table and every refusal is compared with a second, slow reader. Then the same
bytes are inspected as by `rul config new`, and the drafted configuration is read back. Ids, events,
labels and twins of whole fleets are compared in `fuzz_fleets`.
"""

import sys
import zlib
from pathlib import Path
from random import Random

import numpy as np

from cmapss_rul.config.load import from_mapping
from cmapss_rul.config.yaml import parse_yaml
from cmapss_rul.data.column_inference import infer_columns
from cmapss_rul.data.columns import CYCLE, ENGINE, FILE_COLUMNS, ColumnRequest
from cmapss_rul.data.tables import NumericTable, parse_table
from cmapss_rul.system.errors import DataError, UsageError
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.config_template import config_template
from tests.data._slow_tables import Row, slow_table
from tests.data._texts import fleet_text
from tests.torture import fuzz_fleets, fuzzing
from tests.torture.counts import Counts
from tests.torture.fuzzing import Defect, Target, require_one_line

_OWN = ColumnRequest(["load %", "temp"], key_columns={ENGINE: "asset", CYCLE: "hour"})
_PLAIN = ColumnRequest(["setting_1", "sensor_21"])
_FLEETS = 0.2
_DRAFT_EVERY = 8  # a template takes longer than everything else


def check(data: bytes) -> bool:
    """Parse the bytes under a user's names and as C-MAPSS text, and infer their columns."""
    unnamed = list(FILE_COLUMNS)
    rows = slow_table(data, "asset", ["hour", *fuzz_fleets.INPUTS], unnamed)
    own = _compare(data, _OWN, rows)
    if rows is not None:
        fuzz_fleets.check_records(data, rows, unnamed)
    slow = slow_table(data, ENGINE, [CYCLE, "setting_1", "sensor_21"], unnamed)
    plain = _compare(data, _PLAIN, slow, aliases=True)
    _infer_columns(data)
    return own or plain


def _compare(
    data: bytes, request: ColumnRequest, slow: list[Row] | None, *, aliases: bool = False
) -> bool:
    """Compare a table or a refusal with the slow reader, which knows no aliases."""
    try:
        table = parse_table(data, "x", request)
    except DataError as error:
        _check_refusal(str(error))
        if slow is not None and not (aliases and "both mean" in str(error)):
            raise Defect(f"refused what the slow reader accepts: {error}") from error
        return False
    if slow is None and aliases:
        return True
    if slow is None or _rows(table) != repr(slow):  # 0.0 and -0.0 are told apart
        raise Defect("a table that differs from the slow reader's")
    return True


def _rows(table: NumericTable) -> str:
    columns = (table.row_numbers.tolist(), table.engine.tolist(), table.numbers.tolist())
    if table.numbers.dtype != np.float64:
        raise Defect(f"numbers of {table.numbers.dtype}")
    return repr([Row(*row) for row in zip(*columns, strict=True)])


def _infer_columns(data: bytes) -> None:
    try:
        found = infer_columns(data, "x", engine="asset", cycle="hour")
        fuzz_fleets.check_labels(data, found, list(FILE_COLUMNS))
        if zlib.crc32(data) % _DRAFT_EVERY:
            return
        text = config_template(found, Path("x"))
    except (DataError, UsageError) as error:
        _check_refusal(str(error))
        return
    read = from_mapping(RunConfig, parse_yaml(text, "template")).data
    if read.sensors != tuple(column.name for column in found.sensors):
        raise Defect(f"other sensors in the template: {read.sensors}")
    if read.settings != tuple(column.name for column in found.settings):
        raise Defect(f"other settings in the template: {read.settings}")


def _check_refusal(message: str) -> None:
    require_one_line(message)
    if not message.startswith(("x, line", "x: ")):
        raise Defect(f"a refusal that does not name the file first: {message}")


_CSV = b"asset,hour,load %,temp,site\np-1,1,50.2,511.5,north\np-1,2,80,540,\xff\np-2,1,50,512,\n"
_QUOTED = b'"asset";hour;"load %";temp\r\n"p;""1""";1;50.5;-0\r\n"p\n2";1;1e3;+.5\r\n'

_NUMBERS = (
    *["1.5"] * 6, "-0.0007", "100", "1e3", "+.5", "5.", "-0", "1e-400", "2.5e-324", "1e30",
    "9007199254740993", "0.1000000000000000055511151231257827", " 7 ", "1e999", "nan", "1_0", "",
    "1.0000000000000001e30", "1,5", "-0,25", "1,234",
)  # fmt: skip
_NAMES = (
    "p-1",
    "p-2",
    "1",
    "01",
    "1.0",
    "",
    'p"3',
    "p,4",
    "p\n5",
    "\u00e4",
    " 6 ",
    "\x1b[31m",
    "0x1",
)
_FURTHER = ("site", "setting a", "RUL", "vib", "- odd: name #", "\u2028", "~", "null", "1e3", "")


def make(random: Random) -> bytes:
    """A table that is nearly right, of any separator, quoting and line end; or a fleet."""
    if random.random() < _FLEETS:
        return fuzz_fleets.make(random)
    separator = random.choice((",", ",", ",", ";", "\t"))
    end = random.choice(("\n", "\r\n", "\r", "\n\n"))
    header = ["asset", "hour", "load %", "temp", *random.sample(_FURTHER, random.randrange(4))]
    random.shuffle(header)
    if random.random() < 0.05:
        header[random.randrange(len(header))] = random.choice(header)
    wild = random.random() < 0.3  # otherwise mostly valid cells
    rows = [header]
    for _ in range(random.choice((1, 2, 6))):
        name = random.choice(_NAMES if wild else _NAMES[:4])
        for cycle in range(1, 1 + random.choice((1, 2, 5))):
            cells = dict.fromkeys(header, "")
            for column in header:
                cells[column] = random.choice(_NUMBERS if wild else _NUMBERS[:18])
            rows.append([{**cells, "asset": name, "hour": str(cycle)}[c] for c in header])
    if random.random() < 0.05:
        random.choice(rows).append("1")
    return end.join(
        separator.join(_cell(c, separator, random) for c in row) for row in rows
    ).encode()


def _cell(text: str, separator: str, random: Random) -> str:
    if random.random() < 0.1 or any(mark in text for mark in (separator, '"', "\n")):
        return '"' + text.replace('"', '""') + '"'
    return text


TARGET = Target(
    name="tables",
    check=check,
    seeds=(
        _CSV,
        _CSV.replace(b",", b"\t").replace(b"\n", b"\r"),
        b"sep=;\n" + _CSV.replace(b",", b";").replace(b".", b","),
        b"\xef\xbb\xbf" + _CSV,
        _QUOTED,
        fleet_text(2, 1).encode(),
        b"unit time_in_cycles os1 T2 s_21\n1 1 0.5 1 2\n",
        b",,,\n",
        b"asset,hour\n",
        b"<html>\n",
        b"",
    ),
    words=(
        b'"', b'""', b'","', b",", b";", b"\t", b"\n", b"\r", b"\r\n", b" ", b"\0", b"\x1a",
        b"\x1c", b"\x85", b"\xc2\x85", b"\xa0", b"\xc2\xa0", b"\xe2\x80\xa8", b"\xff", b"\x1b[31m",
        b"\xef\xbb\xbf", b"nan", b"inf", b"1e999", b"1e-999", b"1e30", b"1_0", b"0x1", b"1,5", b".",
        b"1,234", b"sep=;", b"sep=,",
        b"-0", b"+1", b"2.4703282292062328e-324", b"\xd9\xa1", b"asset", b"hour", b"temp",
        b"load %", b"unit", b"sensor_21", b"PAR1", b"<",
    ),
    make=make,
    modules=(
        "cmapss_rul.data.tables",
        "cmapss_rul.data.table_text",
        "cmapss_rul.data.table_cells",
        "cmapss_rul.data.columns",
        "cmapss_rul.data.column_inference",
        "cmapss_rul.data.records",
    ),
)  # fmt: skip


def run(rounds: int, seed: int, engine: str = "auto") -> Counts:
    """Run the campaign."""
    return fuzzing.run(TARGET, rounds, seed, engine)


if __name__ == "__main__":
    sys.exit(fuzzing.main(TARGET))
