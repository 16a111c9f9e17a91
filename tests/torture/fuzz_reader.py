"""Campaign: any bytes as a train, test or RUL file.

Every table that the strict reader accepts is compared with the slow reader of the tests, number
by number; so is every refusal, except that of a file that may be truncated.
"""

import io
import sys
import zlib
from random import Random

import numpy as np

from cmapss_rul.data.reader import parse_fleet, parse_rul
from cmapss_rul.system.errors import DataError
from tests.data._slow_reader import slow_fleet, slow_rul
from tests.data._texts import fleet_text
from tests.torture import fuzzing
from tests.torture.counts import Counts
from tests.torture.fuzzing import Defect, Target, require_one_line

_TRUNCATED = "the file ends without a line end"
_PIECES = (1, 7, 100, 1 << 20)


class _Pieces(io.BytesIO):
    """A stream that returns few bytes at a time, as a pipe may."""

    def __init__(self, content: bytes, most: int) -> None:
        super().__init__(content)
        self._most = most

    def read(self, _size: int | None = -1) -> bytes:
        return super().read(self._most)


def check(data: bytes) -> bool:
    """Read the bytes as either kind of file."""
    most = _PIECES[zlib.crc32(data) % len(_PIECES)]
    return _check_fleet(data, most) | _check_rul(data, most)


def _check_fleet(data: bytes, most: int) -> bool:
    expected = slow_fleet(data)
    try:
        fleet = parse_fleet(_Pieces(data, most), "x")
    except DataError as error:
        _check_refusal(str(error), readable=expected is not None)
        return False
    found = np.column_stack([fleet.engine, fleet.cycle, fleet.values])
    if repr(found.tolist()) != repr(expected):  # 0.0 and -0.0 are told apart
        raise Defect("a table that differs from the slow reader's")
    if fleet.lengths.sum() != fleet.rows or fleet.engine.dtype != np.int64:
        raise Defect("an inconsistent fleet")
    return True


def _check_rul(data: bytes, most: int) -> bool:
    expected = slow_rul(data)
    try:
        found = parse_rul(_Pieces(data, most), "x", None)
    except DataError as error:
        _check_refusal(str(error), readable=expected is not None)
        return False
    if found.tolist() != expected:
        raise Defect("RUL values that differ from the slow reader's")
    return True


def _check_refusal(message: str, *, readable: bool) -> None:
    require_one_line(message)
    if not message.startswith(("x, line ", "x: ")):
        raise Defect(f"a refusal that does not name the file first: {message}")
    if readable and _TRUNCATED not in message:
        raise Defect(f"refused what the slow reader accepts: {message}")


_TEXT = fleet_text(2, 1).encode()
_MIXED = b" ".join([b"1 1", *[b"-0.0007 100.0 1e3 +.5 5. 518.67"] * 4]) + b"\n"
_LONG = b"1 1 " + b" ".join([b"0.1000000000000000055511151231257827"] * 24) + b"\n"

_NUMBERS = (
    *["1.5"] * 8, "-0.0007", "100", "1e3", "+.5", "5.", "518.67", "-0", "1e-400", "1.0e+2",
    "0.30000",
    "9007199254740993", "179769313486231570e291", "2.4703282292062328e-324", "123456789.123456789",
    "0.1000000000000000055511151231257827", "1e999", "nan", "1_0", "",
)  # fmt: skip


def make(random: Random) -> bytes:
    """A nearly valid table: numbers of all kinds, and sometimes a wrong step."""
    space = random.choice((" ", "  ", "\t", " \v"))
    end = random.choice(("\n", "\r\n", "\r", " \n"))
    if random.random() < 0.2:
        text = end.join(random.choice(("0", "7", "1e2", "112", *_NUMBERS[:16])) for _ in range(4))
        return (text + end).encode()
    text, unit, cycle = "", 1, 0
    for _ in range(random.choice((1, 2, 3, 5))):
        unit, cycle = random.choice(((unit, cycle + 1),) * 4 + ((unit + 1, 1),) * 2)
        if random.random() < 0.05:
            unit, cycle = unit + random.choice((-1, 0, 1)), cycle + random.choice((-1, 0, 1, 5))
        values = [random.choice(_NUMBERS[:19]) for _ in range(24)]
        for place in random.sample(range(24), random.choice((0, 2, 8))):
            values[place] = f"{random.uniform(-999, 999):.{random.randrange(25)}f}"
        if random.random() < 0.05:
            values[random.randrange(24)] = random.choice(_NUMBERS)
        text += space.join([f"{unit}", f"{cycle}", *values]) + end
    return text.encode()


TARGET = Target(
    name="reader",
    check=check,
    seeds=(
        _TEXT,
        _TEXT.replace(b"\n", b"\r\n"),
        _TEXT.replace(b" ", b"\t").replace(b"\n", b"\r"),
        _TEXT + b" \n\n",
        _TEXT.rstrip(),
        _MIXED,
        _LONG,
        b"112 \n98 \n69 \n",
        b"1e2\n0\n1000000000\n",
        b"<html>\n",
        b"",
    ),
    words=(
        b"nan", b"inf", b"-inf", b"1e999", b"1e-999", b"1_0", b"0x1", b"1e", b"e5", b".", b"-",
        b"+1",
        b"1.0", b"1e0", b"0.1", b"9007199254740993", b"1.7976931348623159e308", b"4.9e-324",
        b"2.5e-324",
        b"179769313486231580793e289", b"123456789012345678", b"0.000000000000000000001", b"-0",
        b"00",
        b"\n", b"\r", b"\r\n", b"\t", b"\v", b"\f", b" ", b"  ", b"\0", b"\x1a", b"\x1b[31m",
        b"\xef\xbb\xbf",
        b"\x85", b"\xa0", b"#", b'"', b",", b"NA", b"unit", b"1 2 ", b"2 1 ", b"1.5 1.5 1.5 ",
        b"<", b"PK\x03\x04",
    ),
    make=make,
    modules=("cmapss_rul.data.reader", "cmapss_rul.data.lines", "cmapss_rul.data.fleet"),
)  # fmt: skip


def run(rounds: int, seed: int, engine: str = "auto") -> Counts:
    """Run the campaign."""
    return fuzzing.run(TARGET, rounds, seed, engine)


if __name__ == "__main__":
    sys.exit(fuzzing.main(TARGET))
