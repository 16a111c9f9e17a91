"""`rul bench`: measure speed and memory."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson, Data, Device
from cmapss_rul.cli.output import print_line, print_table


def bench(
    subset: Annotated[
        str, typer.Option(metavar="NAME", help="C-MAPSS subset, FD001 to FD004.")
    ] = "FD001",
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="JSON file; replaced if it exists.")
    ] = Path("bench.json"),
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repetitions and one seed.")] = False,
    scale: Annotated[
        bool,
        typer.Option(
            "--scale",
            help="Only measure time and memory on simulated fleets of 100 to 10,000 engines, with "
            "a plot as .png beside the JSON.",
        ),
    ] = False,
    splits: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Only measure the time to the target accuracy, on N splits of the training "
            "engines.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Seeds per split, with --splits.")
    ] = 3,
    data: Data = None,
    device: Device = "auto",
) -> None:
    """Measure speed and memory and compare them with baselines.

    The baselines are a reference loop in plain PyTorch, rul-datasets, and only the matrix products
    of a step. The two contenders of a ratio alternate, each in its own process with the same
    number of threads. Results are medians; the spread is the interquartile range. The time to the
    target accuracy is measured on one split of the training engines and differs widely between
    splits: --splits measures it on several. A run takes up to 25 minutes on two cores, a few with
    --quick; keep the machine idle meanwhile. rul-datasets needs pip install 'cmapss_rul[bench]'.

    \b
    Examples:
      rul bench --quick
      rul bench --subset FD004 --output fd004.json
      rul bench --scale --output scale.json
      rul bench --splits 5 --seeds 3 --output splits.json
    """
    from cmapss_rul.data.columns import SUBSETS, parse_subsets
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.system.files import check_writable, write_atomic

    name, *others = parse_subsets(subset, SUBSETS)
    if others:
        raise UsageError(
            "--subset: found several subsets, expected one; run the command once per subset"
        )
    if splits is not None and (scale or quick):
        other = "--scale" if scale else "--quick"
        raise UsageError(f"--splits and {other}: cannot be combined; leave one out")
    picture = output.parent / f"{output.stem}.png"
    if scale and picture == output:
        raise UsageError("--output: found .png, the name of the plot; expected .json")
    # before minutes of measurement, not after them
    check_writable(output, *([picture] if scale else []))

    # torch takes seconds to import: only after the checks above
    from cmapss_rul.bench.run import bench as measure
    from cmapss_rul.bench.run import bench_scale
    from cmapss_rul.display.text import finite, json_text

    def report(text: str) -> None:
        print_line(f"measuring: {text}", err=True)  # stdout may be read as JSON

    if scale:
        result = bench_scale(picture, quick=quick, report=report)
    else:
        result = measure(
            name, splits=splits, seeds=seeds, data_dir=data, device=device, quick=quick,
            report=report,
        )  # fmt: skip
    text = json_text(finite(result)) + "\n"
    write_atomic(output, text)
    if as_json:
        typer.echo(text, nl=False)
        return
    from cmapss_rul.bench.table import result_table, scale_table, splits_table

    layout = scale_table if scale else result_table if splits is None else splits_table
    print_table(layout(result))
    print_line(f"saved {output}" + (f" and {picture}" if scale else ""))
