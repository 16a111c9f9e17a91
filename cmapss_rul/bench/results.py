"""What a turn gives where it is not a number alone."""

from typing import NamedTuple


class Reading(NamedTuple):
    """A time or a rate, and the memory that went with it.

    Attributes:
        value: seconds, or windows a second.
        peak_mb: largest resident size of the process until then, MB.
    """

    value: float
    peak_mb: float
