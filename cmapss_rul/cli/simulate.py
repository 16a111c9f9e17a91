"""`rul simulate`: simulate a fleet in the C-MAPSS file format, for tests and benchmarks."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson
from cmapss_rul.cli.output import print_json, print_line


def simulate(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")],
    engines: Annotated[
        int, typer.Option(metavar="N", help="Number of training engines and of test engines.")
    ] = 100,
    conditions: Annotated[
        int, typer.Option(metavar="N", help="Number of operating conditions, 1 or 6.")
    ] = 1,
    faults: Annotated[int, typer.Option(metavar="N", help="Number of fault modes, 1 or 2.")] = 1,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Random seed; equal seeds give identical files.")
    ] = 0,
    censored: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Cut the records of this share of the engines before failure; writes one CSV "
            "file of the fleet and one of the true failure times instead.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a run-to-failure fleet.

    Writes a train, a test and a RUL file, named after the C-MAPSS subset with the same numbers of
    operating conditions and fault modes, and a manifest that marks them as simulated. Existing
    files of the same fleet are kept.

    \b
    Examples:
      rul simulate --output data/simulated
      rul simulate --output data/simulated --engines 1000 --conditions 6 --faults 2
      rul simulate --output data/censored --censored 0.6
    """
    from cmapss_rul.data.columns import subset_of
    from cmapss_rul.data.simulate import Parameters
    from cmapss_rul.data.simulate import simulate as simulate_fleet
    from cmapss_rul.data.simulate_censored import FLEET, simulate_censored
    from cmapss_rul.data.verification import manifest_path

    if censored is None:
        done = simulate_fleet(
            output, engines=engines, conditions=conditions, faults=faults, seed=seed
        )
        subset: str = done.parameters.subset
    else:
        done = simulate_censored(output, Parameters(engines, conditions, faults, seed), censored)
        subset = subset_of(FLEET)
    manifest = manifest_path(output, subset)
    if as_json:
        files = [
            {"file": str(output / name), "written": name in done.written}
            for name in (*done.written, *done.unchanged)
        ]
        print_json({"subset": subset, "manifest": str(manifest), "files": files})
        return
    for names, state in ((done.written, "written"), (done.unchanged, "exists")):
        for name in names:
            print_line(f"{output / name}  {state}  simulated")
    what = subset if censored is None else f"a fleet of which {censored:.0%} have not failed"
    print_line(f"simulated {what}, {engines} engines; parameters in {manifest.name}")
