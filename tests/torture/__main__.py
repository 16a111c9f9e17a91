"""`scripts/torture`: run robustness campaigns by name."""

import importlib
import json
import time
from typing import Annotated

import typer

CAMPAIGNS = {
    "kills": 200,
    "faults": 10_000,
    "flips": 100_000,
    "repeats": 8,
    "fuzz_reader": 400_000,
    "fuzz_archive": 300_000,
    "fuzz_tables": 100_000,
    "fuzz_config": 200_000,
    "fuzz_checkpoint": 100_000,
    "fuzz_parts": 100_000,
}
"""Module of each campaign, and its default number of rounds."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def select(names: list[str]) -> list[str]:
    """Select campaigns by name or by the first word of it; all if none is named.

    >>> select(["kills", "fuzz"])[:2]
    ['kills', 'fuzz_reader']
    """
    found = [
        campaign
        for name in names or ["all"]
        for campaign in CAMPAIGNS
        if name in ("all", campaign, campaign.partition("_")[0])
    ]
    if not found:
        raise typer.BadParameter(f"expected one or more of: all, fuzz, {', '.join(CAMPAIGNS)}")
    return found


@app.command()
def torture(
    names: Annotated[list[str] | None, typer.Argument(metavar="[CAMPAIGN]...")] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="By default that of each campaign.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same cases.")] = 0,
) -> None:
    """Run campaigns; print their counts as JSON, and exit with 1 if a defect was found.

    The times of kills depend on the machine as well as on the seed.
    """
    defects = 0
    for name in select(names or []):
        campaign = importlib.import_module(f"tests.torture.{name}")
        start = time.monotonic()
        counts = campaign.run(rounds or CAMPAIGNS[name], seed)
        seconds = round(time.monotonic() - start, 1)
        typer.echo(json.dumps({**vars(counts), "seconds": seconds}, ensure_ascii=False))
        defects += len(counts.defects)
    raise typer.Exit(1 if defects else 0)


if __name__ == "__main__":
    app()
