"""Detection of the event column of a user's file, which marks censored records."""

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
    """A column that may mark which records end before the failure.

    Attributes:
        inverted: whether, by the name of the column, 1 means censored.
        censored: names of the engines that are then censored; None if the column has values
            other than 0, 1, true, false, yes and no.
    """

    name: str
    inverted: bool
    censored: list[str] | None
    failed: int

    @property
    def question(self) -> str:
        """The statement for the user to confirm, without a final full stop."""
        if self.censored is None:
            return f"column {self.name} may mark which engines have failed and which have not"
        return (
            f"by its name, column {self.name} marks {self.failed} engines as failed and "
            f"{len(self.censored)} as not failed"
        )


def find_event_column(
    content: bytes,
    config: DataConfig,
    header: Sequence[str],
    numeric: Collection[str],
    taken: Collection[str],
) -> EventColumn | None:
    """Find the first column that, by its name and values, may be an event column.

    Args:
        content: bytes of the file.
        config: names of the file, and of its engine and cycle columns.
        header: names of all columns.
        numeric: names of the numeric ones; if such a column changes within an engine, it is a
            measurement.
        taken: names of the columns with a known meaning.
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
