"""Cells of one configuration against each other, and what may be said of it."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cmapss_rul.data.split import LEAK
from cmapss_rul.experiments import statistics
from cmapss_rul.experiments.results import Result

ALPHA = 0.05


def pairs_of(config: str, cells: Mapping[str, Sequence[Result]]) -> list[dict[str, Any]]:
    """Compare every two cells of one configuration by RMSE, last windows, capped labels.

    Args:
        config: name of the configuration.
        cells: label → its results, all of one configuration.

    Returns:
        One entry a pair, as they stand in comparison.json but for `p_holm` and `sentence`.
    """
    return [
        {
            "config": config,
            "a": a,
            "b": b,
            "leak": LEAK if any(r.run.cell.leak for r in (*cells[a], *cells[b])) else None,
            **_compared(cells[a], cells[b]),
        }
        for a, b in itertools.combinations(cells, 2)
    ]


def _compared(a: Sequence[Result], b: Sequence[Result]) -> dict[str, Any]:
    if a and b and not _same_test(a[0], b[0]):
        return {"paired_t": None, "bootstrap": None, "why_not": "their test labels differ"}
    one = {result.run.seed: result for result in a}
    other = {result.run.seed: result for result in b}
    seeds = sorted(one.keys() & other.keys())
    if not seeds:
        return {"paired_t": None, "bootstrap": None, "why_not": "no seed ended well in both"}
    over_seeds = statistics.paired(
        {seed: one[seed].rmse for seed in seeds}, {seed: other[seed].rmse for seed in seeds}
    )
    return {
        "paired_t": dataclasses.asdict(over_seeds) if over_seeds and over_seeds.n > 1 else None,
        "bootstrap": _bootstrap([one[s] for s in seeds], [other[s] for s in seeds]),
        "why_not": None if len(seeds) > 1 else "one seed only",
    }


def _same_test(a: Result, b: Result) -> bool:
    """Whether two runs were scored on the same engines with the same labels."""
    return np.array_equal(a.engines, b.engines) and np.array_equal(a.true, b.true)


def _bootstrap(a: Sequence[Result], b: Sequence[Result]) -> dict[str, Any] | None:
    """Interval over test engines of the difference of mean RMSE."""
    draws = statistics.engine_draws(len(a[0].engines))
    if draws is None:
        return None
    gap = _drawn(draws, a) - _drawn(draws, b)
    return {
        "n": len(a[0].engines),
        "draws": len(draws),
        "mean": float(np.mean([x.rmse for x in a]) - np.mean([x.rmse for x in b])),
        "interval": statistics.percentile_interval(gap),
        "share_below_0": float(np.mean(gap < 0)),
    }


def _drawn(draws: Any, results: Sequence[Result]) -> Any:
    return statistics.drawn_rmse(draws, np.stack([result.errors for result in results]))


def engine_interval(results: Sequence[Result]) -> tuple[float, float] | None:
    """Interval over test engines of a cell's mean RMSE."""
    draws = statistics.engine_draws(len(results[0].engines)) if results else None
    return None if draws is None else statistics.percentile_interval(_drawn(draws, results))


def finish(pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Correct the p-values for their number, per configuration, and say what follows.

    Args:
        pairs: of any configurations; former `p_holm` and `sentence` are replaced.
    """
    finished = []
    for _, family in itertools.groupby(
        sorted(pairs, key=lambda pair: pair["config"]), key=lambda pair: pair["config"]
    ):
        members = list(family)
        adjusted = statistics.holm([_p(pair) for pair in members])
        for pair, p in zip(members, adjusted, strict=True):
            whole = {**pair, "p_holm": p}
            finished.append({**whole, "shown": _shown(whole), "sentence": sentence(whole)})
    return finished


def _p(pair: Mapping[str, Any]) -> float | None:
    return None if pair["paired_t"] is None else pair["paired_t"]["p"]


def _shown(pair: Mapping[str, Any]) -> bool:
    """Whether a difference holds over seeds, after Holm, and over test engines too."""
    p, bootstrap = pair["p_holm"], pair["bootstrap"]
    over_engines = bootstrap is not None and not _holds_zero(bootstrap["interval"])
    return p is not None and p < ALPHA and over_engines


def sentence(pair: Mapping[str, Any]) -> str:
    """Say in plain words what a pair shows, and mark a leak.

    Args:
        pair: with `p_holm`.
    """
    a, b, t, bootstrap = pair["a"], pair["b"], pair["paired_t"], pair["bootstrap"]
    mark = f" A split by windows is {pair['leak']}." if pair["leak"] else ""
    if t is None or pair["p_holm"] is None:
        reason = pair.get("why_not") or "no spread over the seeds"
        no_test = f"{pair['config']}: no test between {a} and {b}: {reason}."
        return no_test + _only_engines(bootstrap) + mark
    if _shown(pair):
        lower, higher = (a, b) if t["mean"] < 0 else (b, a)
        verdict = f"{lower} has a lower RMSE than {higher}"
    elif pair["p_holm"] < ALPHA:
        verdict = f"no difference shown between {a} and {b} that holds over test engines"
    else:
        verdict = f"no difference shown between {a} and {b}"
    low, high = t["interval"]
    figures = (
        f"{a} − {b}: {t['mean']:+z.2f} cycles, 95 % interval {low:+z.2f} to {high:+z.2f} over "
        f"{t['n']} seeds, {_p_text(pair['p_holm'])} after Holm"
    )
    if bootstrap is not None:
        first, last = bootstrap["interval"]
        figures += f"; {first:+z.2f} to {last:+z.2f} over test engines"
    return f"{pair['config']}: {verdict} ({figures}).{mark}"


def _p_text(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _holds_zero(interval: Sequence[float]) -> bool:
    return interval[0] <= 0 <= interval[1]


def _only_engines(bootstrap: Mapping[str, Any] | None) -> str:
    if bootstrap is None:
        return ""
    low, high = bootstrap["interval"]
    return (
        f" Over test engines alone: {bootstrap['mean']:+z.2f} cycles, 95 % interval {low:+z.2f} "
        f"to {high:+z.2f}."
    )


def ranks_of(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Mean ranks over configurations, from cells as they stand in comparison.json.

    Returns:
        None where fewer than two cells stand in every configuration.
    """
    figures: dict[str, dict[str, float]] = {}
    leaks = sorted({cell["label"] for cell in cells if cell["leak"]})
    for cell in cells:
        of_config = figures.setdefault(cell["config"], {})
        if cell["rmse"]["mean"] is not None:
            of_config[cell["label"]] = cell["rmse"]["mean"]
    found = statistics.mean_ranks(figures)
    return None if found is None else {**dataclasses.asdict(found), "leaks": leaks}
