"""`rul simulate`: a fleet in C-MAPSS's format, for trials, tests and measurements."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson


def simulate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")],
    engines: Annotated[
        int, typer.Option(metavar="N", help="Number of training engines, and of test engines.")
    ] = 100,
    conditions: Annotated[int, typer.Option(metavar="N", help="Operating conditions: 1 or 6.")] = 1,
    faults: Annotated[int, typer.Option(metavar="N", help="Fault modes: 1 or 2.")] = 1,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same bytes.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Simulate a run-to-failure fleet, marked as simulated.

    Writes a train, a test and a RUL file, named by the subset whose conditions and faults they
    mimic. The same fleet, where it is there already, is left as it is.

    \b
    Example:
      rul simulate --out data/simulated
      rul simulate --out data/simulated --engines 1000 --conditions 6 --faults 2
    """
    from cmapss_rul.data.simulate import simulate as simulate_fleet
    from cmapss_rul.data.verification import manifest_path
    from cmapss_rul.display.text import json_text, printable

    done = simulate_fleet(out, engines=engines, conditions=conditions, faults=faults, seed=seed)
    subset = done.parameters.subset
    manifest = manifest_path(out, subset)
    if as_json:
        files = [
            {"file": str(out / name), "written": name in done.written}
            for name in (*done.written, *done.unchanged)
        ]
        typer.echo(json_text({"subset": subset, "manifest": str(manifest), "files": files}))
        return
    for names, what in ((done.written, "written"), (done.unchanged, "was there")):
        for name in names:
            typer.echo(f"{printable(out / name)}  {what}  simulated")
    typer.echo(f"simulated {subset}, {engines} engines; {manifest.name} says with what parameters")
