"""Published results on C-MAPSS, and how far each can be trusted.

All are last-window results as printed. Few papers state whether labels were capped, and most
report one run or the best of many. They are context, not a baseline to beat by a tenth of a cycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SUBSETS = ("FD001", "FD002", "FD003", "FD004")

Trust = Literal[
    "reproduced", "run again by others", "the authors' own", "second-hand", "chosen on the test set"
]
TRUST: dict[Trust, str] = {
    "reproduced": "confirmed by others from the published weights, with engines held out and "
    "capped labels",
    "run again by others": "a third party trained the method under that same protocol",
    "the authors' own": "reported by the authors; no independent replication is known",
    "second-hand": "taken from another source than the original",
    "chosen on the test set": "the epoch with the lowest test error was reported, so the result "
    "is an oracle's",
}
"""Meaning of each trust level, from most to least trusted."""


@dataclass(frozen=True)
class PublishedResult:
    """One published result.

    Attributes:
        rmse: last window, cycles.
        nasa: NASA score, a sum over the engines; None where not reported.
        sd: standard deviation of the RMSE over seeds; None for one run or an unknown number.
    """

    rmse: float
    nasa: float | None = None
    sd: float | None = None


@dataclass(frozen=True)
class PublishedMethod:
    """Results of one method from one source.

    Attributes:
        method: name, with authors or year.
        results: by subset; subsets without a published result are missing.
        trust: a key of `TRUST`.
        note: what else a reader must know; may be empty.
    """

    method: str
    results: Mapping[str, PublishedResult]
    trust: Trust
    note: str = ""


def _entry(method: str, trust: Trust, *results: tuple[float, float | None]) -> PublishedMethod:
    """An entry with RMSE and NASA score of all four subsets."""
    found = {name: PublishedResult(*pair) for name, pair in zip(SUBSETS, results, strict=True)}
    return PublishedMethod(method, found, trust)


_OWN: Trust = "the authors' own"
_RERUN: Trust = "run again by others"
_SECOND: Trust = "second-hand"

PUBLISHED: tuple[PublishedMethod, ...] = (
    _entry("DCNN, Li 2018", _OWN, (12.61, 274), (22.36, None), (12.64, 284), (23.31, None)),
    _entry("DA-TCN 2021", _OWN, (11.78, 229), (16.95, 1842), (11.56, 257), (18.23, 2317)),
    _entry("BiGRU-TSAM 2022", _OWN, (12.56, 213), (18.94, 2264), (12.45, 232), (20.47, 3610)),
    _entry("RVE 2022", "reproduced", (13.42, 324), (14.92, 1379), (12.51, 256), (16.37, 1846)),
    _entry("FFVE 2023, corrected", _RERUN, (12.31, 280), (12.55, 772), (12.43, 302), (14.08, 1149)),
    _entry("MTSTAN 2023", _OWN, (10.97, 175), (16.81, 1154), (10.90, 188), (18.85, 1446)),
    _entry("STAR 2024", _OWN, (10.61, 169), (13.47, 784), (10.71, 202), (15.87, None)),
    _entry("DKAMFormer 2025", _SECOND, (10.68, None), (10.70, None), (10.52, None), (12.89, None)),
    PublishedMethod(
        "AMNL, book, chapter 16, 5 seeds",
        {
            "FD001": PublishedResult(10.43, sd=1.94),
            "FD002": PublishedResult(6.74, sd=0.91),
            "FD003": PublishedResult(9.51, sd=1.74),
            "FD004": PublishedResult(8.16, sd=2.17),
        },
        "chosen on the test set",
        "no code; chapter 6.5 of the same book has the same model at 11.42, 15.87, 11.67, 17.23",
    ),
    PublishedMethod(
        "CNN-BiLSTM-attention, 'zero leakage' (arXiv 2604.13459)",
        {"FD001": PublishedResult(17.52, 922)},
        _OWN,
        "cap 130; the nearest honest comparator to the network here",
    ),
)
"""Chronological; the last two are the closest to this package."""

HONEST_BAND: dict[str, tuple[float, float]] = {
    "FD001": (12.0, 13.5),
    "FD002": (12.5, 15.0),
    "FD003": (11.5, 12.6),
    "FD004": (14.0, 16.5),
}
"""RMSE range of honest protocols: engines held out, epoch chosen by validation, capped labels."""

LEAKAGE_ALARM = 10.0
"""A last-window RMSE below this, cycles, is presumed a leak until proven otherwise."""
