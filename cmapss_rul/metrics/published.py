"""Published results on C-MAPSS and N-CMAPSS, each with a level of trust.

Those on C-MAPSS are last-window results as printed. Few papers state whether labels were capped,
and most report one run or the best of many. So they are context, and differences of a tenth of a
cycle from them mean nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

# the order of the results of `_entry`
SUBSETS = ("FD001", "FD002", "FD003", "FD004")
FLIGHT_SUBSETS = ("DS02",)
"""Sets of N-CMAPSS with published results: every flight, in flights."""

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
        rmse: last window, cycles; on N-CMAPSS every flight, flights.
        nasa: NASA score, a sum over the engines; None where not reported.
        sd: standard deviation of the RMSE over seeds; None for one run or an unknown number.
    """

    rmse: float
    nasa: float | None = None
    sd: float | None = None

    @property
    def text(self) -> str:
        """RMSE, with its spread where that is known."""
        return f"{self.rmse:.2f}" + ("" if self.sd is None else f" ± {self.sd:.2f}")


@dataclass(frozen=True)
class Setup:
    """Experimental setup of a result, apart from the method; None for what the source omits.

    Attributes:
        trained_on: `OWN_SUBSET`, or the names of all subsets.
        window: cycles.
        cap: cap of training and test labels, cycles.
        cycle_count: whether the cycle count is an input.
        networks: number of networks whose mean predicts.
    """

    trained_on: str | None = None
    window: int | None = None
    cap: int | None = None
    cycle_count: bool | None = None
    selection: str | None = None
    seeds: int | None = None
    networks: int = 1

    def why_not_comparable(self, other: "Setup") -> str:
        """Return the first reason why results of another setup are not comparable, or ''.

        Training data, inputs, labels, selection and the number of networks have to agree; window
        and seeds do not.
        """
        pairs = (
            (self.trained_on, other.trained_on, "training data", "trained on {}"),
            (self.cycle_count, other.cycle_count, "inputs", "made {} the cycle count as an input"),
            (self.cap, other.cap, "cap", "with labels capped at {}"),
            (self.selection, other.selection, "selection", "with the epoch chosen by {}"),
        )
        for ours, theirs, name, text in pairs:
            # not stated is not equal: most papers report neither labels nor selection
            if theirs is None:
                return f"{name} not stated"
            if ours != theirs:
                shown = theirs
                if isinstance(theirs, bool):
                    shown = "with" if theirs else "without"
                return text.format(shown)
        if self.networks != other.networks:
            return "of a single network" if other.networks == 1 else "of an ensemble"
        return ""


OWN_SUBSET = "the subset alone"
VALIDATION = "validation engines"
TEST = "the test set"


@dataclass(frozen=True)
class PublishedMethod:
    """Results of one method from one source.

    Attributes:
        results: by subset; subsets without a published result are missing.
        note: caveat for readers; may be empty.
    """

    method: str
    results: Mapping[str, PublishedResult]
    trust: Trust
    note: str = ""
    setup: Setup = Setup()


def _entry(
    method: str, trust: Trust, *results: tuple[float, float | None], setup: Setup = Setup()
) -> PublishedMethod:
    """An entry with RMSE and NASA score of all four subsets."""
    found = {name: PublishedResult(*pair) for name, pair in zip(SUBSETS, results, strict=True)}
    return PublishedMethod(method, found, trust, setup=setup)


def _book(balancer: str, **results: tuple[float, float]) -> PublishedMethod:
    """An entry of the AMNL book's second edition: RMSE and sd by subset."""
    found = {name: PublishedResult(rmse, sd=sd) for name, (rmse, sd) in results.items()}
    # its chapter 14-2 states that there is no validation split: the best test epoch is reported
    setup = Setup(selection=TEST, seeds=5)
    return PublishedMethod(f"{balancer}, AMNL book, second edition", found, _TEST_SET, "", setup)


_OWN: Trust = "the authors' own"
_RERUN: Trust = "run again by others"
_SECOND: Trust = "second-hand"
_TEST_SET: Trust = "chosen on the test set"

REPRODUCED = ("reproduced", "run again by others")
"""Trust levels of results obtained by others than the authors."""

# shared by both: third parties saw code and weights, and split the engines 80/20
_RVE = Setup(OWN_SUBSET, window=30, cap=125, cycle_count=False, selection=VALIDATION)

PUBLISHED: tuple[PublishedMethod, ...] = (
    _entry("DCNN, Li 2018", _OWN, (12.61, 274), (22.36, None), (12.64, 284), (23.31, None)),
    _entry("DA-TCN 2021", _OWN, (11.78, 229), (16.95, 1842), (11.56, 257), (18.23, 2317)),
    _entry("BiGRU-TSAM 2022", _OWN, (12.56, 213), (18.94, 2264), (12.45, 232), (20.47, 3610)),
    _entry(
        "RVE 2022", "reproduced", (13.42, 324), (14.92, 1379), (12.51, 256), (16.37, 1846),
        setup=_RVE,
    ),
    _entry(
        "FFVE 2023, corrected", _RERUN, (12.31, 280), (12.55, 772), (12.43, 302), (14.08, 1149),
        # 5 repetitions; their spread is not reported
        setup=replace(_RVE, seeds=5),
    ),
    _entry("MTSTAN 2023", _OWN, (10.97, 175), (16.81, 1154), (10.90, 188), (18.85, 1446)),
    _entry("STAR 2024", _OWN, (10.61, 169), (13.47, 784), (10.71, 202), (15.87, None)),
    _entry("DKAMFormer 2025", _SECOND, (10.68, None), (10.70, None), (10.52, None), (12.89, None)),
    _entry(
        "XGBoost on one set of sensor features", _OWN,
        (13.37, 262), (13.65, 865), (14.04, 587), (14.06, 966),
        setup=Setup(OWN_SUBSET, selection=VALIDATION, seeds=1),
    ),
    _entry(
        "XGBoost, best of six feature sets", _TEST_SET,
        (12.52, 239), (13.44, 874), (12.52, 267), (14.06, 966),
        setup=Setup(OWN_SUBSET, selection=TEST, seeds=1),
    ),
    PublishedMethod(
        "HistGradientBoosting (yskfuji)", {"FD004": PublishedResult(15.16, 968)}, _OWN,
        "11 of 248 test engines dropped", Setup(seeds=1),
    ),
    PublishedMethod(
        "AMNL, book, chapter 16, 5 seeds",
        {
            "FD001": PublishedResult(10.43, sd=1.94),
            "FD002": PublishedResult(6.74, sd=0.91),
            "FD003": PublishedResult(9.51, sd=1.74),
            "FD004": PublishedResult(8.16, sd=2.17),
        },
        _TEST_SET,
        "no code; chapter 6.5 of the same book has the same model at 11.42, 15.87, 11.67, 17.23",
        Setup(selection=TEST, seeds=5),
    ),
    _book("uncertainty", FD001=(9.15, 0.42)),
    _book("GRACE", FD001=(9.14, 1.39)),
    _book("GradNorm", FD001=(9.38, 1.53), FD002=(8.19, 0.78)),
    _book("GABA", FD001=(9.63, 1.90), FD002=(7.53, 0.65)),
    _book("fixed", FD001=(10.08, 1.71)),
    PublishedMethod(
        "CNN-BiLSTM-attention, 'zero leakage' (arXiv 2604.13459)",
        {"FD001": PublishedResult(17.52, 922)},
        _OWN,
        "the nearest honest comparator to the network here",
        Setup(cap=130),
    ),
    PublishedMethod(
        "LightGBM, units held out", {"DS02": PublishedResult(10.05, sd=0.43)}, _OWN,
        "MAE 7.88", Setup(OWN_SUBSET, seeds=5),
    ),
    PublishedMethod("GRACE", {"DS02": PublishedResult(6.35, sd=0.37)}, _OWN),
    PublishedMethod("DKAMFormer 2025, N-CMAPSS", {"DS02": PublishedResult(6.40)}, _OWN),
)  # fmt: skip
"""C-MAPSS first, then N-CMAPSS. The AMNL book and the CNN-BiLSTM are closest to this package."""

HONEST_BAND: dict[str, tuple[float, float]] = {
    "FD001": (12.0, 13.5),
    "FD002": (12.5, 15.0),
    "FD003": (11.5, 12.6),
    "FD004": (14.0, 16.5),
}
"""RMSE range of honest protocols: engines held out, validation chooses the epoch, capped labels."""

LEAKAGE_ALARM = 10.0
"""A last-window RMSE on C-MAPSS below this, cycles, is presumed a leak until proved otherwise."""
