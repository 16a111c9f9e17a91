"""`rul bench`: speed and memory, beside others and beside the limit of the machine."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson, Data, Device


def bench(
    subset: Annotated[
        str, typer.Option(metavar="NAME", help="Subset of C-MAPSS: FD001 … FD004.")
    ] = "FD001",
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the JSON goes; replaced if it is there.")
    ] = Path("bench.json"),
    as_json: AsJson = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer turns and one seed, for a first look.")
    ] = False,
    scale: Annotated[
        bool,
        typer.Option(
            "--scale",
            help="Instead: time and memory of simulated fleets of 100 to 10,000 engines; the "
            "picture goes beside the JSON, as .png.",
        ),
    ] = False,
    data: Data = None,
    device: Device = "auto",
) -> None:
    """Measure speed and memory, beside others.

    Others are the usual loop, rul-datasets, and the machine's matrix products alone. Both sides
    of a ratio take their turns one after the other, each in a process of its own with the same
    threads. Figures are medians; the spread is the distance between the quartiles. It takes up
    to 25 minutes on two cores, a few with --quick; leave the machine alone meanwhile.
    rul-datasets comes with: pip install 'cmapss_rul[bench]'

    \b
    Examples:
      rul bench --quick
      rul bench --subset FD004 --output fd004.json
      rul bench --scale --output scale.json
    """
    from cmapss_rul.data.columns import parse_subsets
    from cmapss_rul.evaluation.save import check_writable
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.system.files import write_atomic

    name, *others = parse_subsets(subset)
    if others:
        raise UsageError("--subset: found several subsets, expected one; call it once for each")
    picture = output.parent / f"{output.stem}.png"
    if scale and picture == output:
        raise UsageError("--output: found a .png, which the picture takes; expected a .json")
    check_writable(output, *([picture] if scale else []))

    from cmapss_rul.bench.run import bench as measure
    from cmapss_rul.bench.run import measured_scale
    from cmapss_rul.display.text import finite, json_text, printable

    def tell(text: str) -> None:
        typer.echo(f"measuring: {text}", err=True)

    if scale:
        result = measured_scale(picture, quick=quick, tell=tell)
    else:
        result = measure(name, data_dir=data, device=device, quick=quick, tell=tell)
    text = json_text(finite(result)) + "\n"
    write_atomic(output, text)
    if as_json:
        typer.echo(text, nl=False)
        return
    from rich.console import Console

    from cmapss_rul.bench.table import render, render_scale

    Console().print(render_scale(result) if scale else render(result))
    typer.echo(f"saved {printable(output)}" + (f" and {printable(picture)}" if scale else ""))
