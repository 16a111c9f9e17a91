"""The counts that every campaign returns."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Counts:
    """Result of a campaign.

    Attributes:
        campaign: its name.
        seed: of its random choices; the same seed gives the same cases.
        cases: number of cases.
        kinds: number of cases by kind.
        defects: one text each, with what is needed to reproduce it.
    """

    campaign: str
    seed: int
    cases: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)
