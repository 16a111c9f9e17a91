"""N-CMAPSS: its files, their channels, and the columns of a flight.

Source: M. Arias Chao, C. Kulkarni, K. Goebel and O. Fink (2021), Aircraft Engine Run-to-Failure
Dataset under Real Flight Conditions for Prognostics and Diagnostics, Data 6(1), 5. Sizes and
numbers of records are from public listings of the ten files.
"""

from collections.abc import Iterable
from dataclasses import dataclass

CONDITIONS = ("alt", "Mach", "TRA", "T2")
"""W, the scenario: altitude in ft, Mach number, throttle resolver angle in %, T2 in °R."""
SENSORS = (
    "T24", "T30", "T48", "T50", "P15", "P2", "P21", "P24", "Ps30", "P40", "P50", "Nf", "Nc", "Wf",
)  # fmt: skip
"""X_s, the measured sensors."""
VIRTUAL_SENSORS = (
    "T40", "P30", "P45", "W21", "W22", "W25", "W31", "W32", "W48", "W50", "SmFan", "SmLPC",
    "SmHPC", "phi",
)  # fmt: skip
"""X_v, the virtual sensors: known to the simulator, measured in no engine."""

PHASES = ("climb", "cruise", "descent")
STATISTICS = ("mean", "std", "min", "max")

MAX_RUL = 99
"""Flights; the largest RUL of the published files, so that a cap above it has no effect."""

VIRTUAL = "virtual sensors of the simulator, which no engine measures, are inputs"
"""Mark of results with X_v among the inputs."""

ARCHIVE = (
    "https://phm-datasets.s3.amazonaws.com/NASA/"
    "17.+Turbofan+Engine+Degradation+Simulation+Data+Set+2.zip"
)
ARCHIVE_GB = 15.8


@dataclass(frozen=True)
class FlightSet:
    """A published file of N-CMAPSS.

    Attributes:
        file: file name.
        megabytes: file size, 10⁶ bytes.
        records: numbers of development and of test records, one per second; None if unknown.
    """

    file: str
    megabytes: int
    records: tuple[int, int] | None


FILES: dict[str, FlightSet] = {
    "DS01": FlightSet("N-CMAPSS_DS01-005.h5", 2873, (4_906_636, 2_735_232)),
    "DS02": FlightSet("N-CMAPSS_DS02-006.h5", 2450, (5_263_447, 1_253_743)),
    "DS03": FlightSet("N-CMAPSS_DS03-012.h5", 3693, (5_571_277, 4_251_560)),
    "DS04": FlightSet("N-CMAPSS_DS04.h5", 3752, (6_377_452, 3_602_561)),
    "DS05": FlightSet("N-CMAPSS_DS05.h5", 2599, (4_350_606, 2_562_046)),
    "DS06": FlightSet("N-CMAPSS_DS06.h5", 2549, (4_257_209, 2_522_447)),
    "DS07": FlightSet("N-CMAPSS_DS07.h5", 2715, (4_350_176, 2_869_786)),
    "DS08a": FlightSet("N-CMAPSS_DS08a-009.h5", 3237, (4_885_389, 3_722_997)),
    "DS08c": FlightSet("N-CMAPSS_DS08c-008.h5", 2413, (4_299_918, 2_117_819)),
    # NASA's copy lacks its last 32 bytes, and HDF5 does not open it
    "DS08d": FlightSet("N-CMAPSS_DS08d-010.h5", 2885, None),
}
"""The files by name of the set; docs/data.md lists their development and test units."""


def flight_columns(channels: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the columns with a statistic of a channel in a phase of a flight.

    >>> flight_columns(["T48"])[:5]
    ('T48_climb_mean', 'T48_climb_std', 'T48_climb_min', 'T48_climb_max', 'T48_cruise_mean')
    """
    return tuple(
        f"{channel}_{phase}_{statistic}"
        for channel in channels
        for phase in PHASES
        for statistic in STATISTICS
    )


SECONDS = tuple(f"seconds_{phase}" for phase in PHASES)
"""Columns of the duration of each phase."""
FLIGHT_SETTINGS = (*SECONDS, *flight_columns(CONDITIONS))
FLIGHT_SENSORS = flight_columns(SENSORS)
FLIGHT_VIRTUAL_SENSORS = flight_columns(VIRTUAL_SENSORS)


def setting_names(*, seconds: bool) -> tuple[str, ...]:
    """Settings of a row: W, or for a flight its statistics and the duration of the phases."""
    return CONDITIONS if seconds else FLIGHT_SETTINGS


def sensor_names(*, seconds: bool, virtual: bool) -> tuple[str, ...]:
    """Sensors of a row, optionally with the virtual ones."""
    if seconds:
        return SENSORS + (VIRTUAL_SENSORS if virtual else ())
    return FLIGHT_SENSORS + (FLIGHT_VIRTUAL_SENSORS if virtual else ())


def default_inputs(*, seconds: bool, virtual: bool) -> tuple[str, ...]:
    """Default inputs of the network: all columns of a second, or the means of a flight."""
    names = setting_names(seconds=seconds) + sensor_names(seconds=seconds, virtual=virtual)
    # *guess*: six units are too few to learn which of four times as many columns matter
    return tuple(name for name in names if seconds or name.endswith("_mean"))
