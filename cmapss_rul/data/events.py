"""A guess at the column of a user's file that says which records end before the failure."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.records import read_records
from cmapss_rul.system.errors import DataError

_EVENT_NAMES = {"event", "events", "failed", "failure", "fail", "eventobserved", "observed"}
_CENSORED_NAMES = {"censored", "censor", "censoring", "iscensored", "running", "alive"}
_STATUS_NAMES = {"status", "state", "outcome", "endreason", "removalreason"}


@dataclass(frozen=True)
class EventColumn:
    """A column that may say which records end before the failure.

    Attributes:
        inverted: whether 1 means, by its name, that a record is censored.
        censored: names of the engines that are censored then; None where the column has words
            other than true, false, yes and no.
    """

    name: str
    inverted: bool
    censored: list[str] | None
    failed: int

    @property
    def question(self) -> str:
        """What the user must answer, without an end mark."""
        if self.censored is None:
            return f"column {self.name} may say which engines have failed and which have not"
        return (
            f"by its name, column {self.name} says that {self.failed} engines have failed and "
            f"{len(self.censored)} have not"
        )


def find_event_column(
    content: bytes,
    config: DataConfig,
    header: Sequence[str],
    numeric: Collection[str],
    taken: Collection[str],
) -> EventColumn | None:
    """Find the first column that, by its name and values, may say which engines have failed.

    Args:
        content: bytes of the file.
        config: names the file, engine and cycle.
        header: names of all columns.
        numeric: those of numbers; one that changes within an engine is a measurement.
        taken: those whose meaning is known.
    """
    for column in (column.strip() for column in header):
        word = re.sub(r"[^a-z]", "", column.lower())
        if column in taken or word not in _EVENT_NAMES | _CENSORED_NAMES | _STATUS_NAMES:
            continue
        inverted = word in _CENSORED_NAMES
        try:
            records = read_records(content, str(config.train), config, event=column)
        except DataError:
            if column not in numeric:
                return EventColumn(column, inverted, None, 0)
            continue
        fleet = records.fleet
        numbers = fleet.failed if inverted else fleet.censored
        names = [str(records.names[number - 1]) for number in numbers]
        return EventColumn(column, inverted, names, len(records.names) - len(names))
    return None
