"""`rul calibrate`: intervals for a run that exists."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.completion import runs
from cmapss_rul.cli.options import AsJson, Data, Device


def calibrate(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="A run folder, or its best.pt.", autocompletion=runs),
    ],
    level: Annotated[
        str,
        typer.Option(
            metavar="LEVEL,…",
            help="Levels of the intervals; by default 0.8,0.9,0.95, less those not supported.",
        ),
    ] = "",
    device: Device = "auto",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give a trained run intervals, or intervals at other levels.

    `rul train` does so by itself. best.pt is written anew as a whole: its entry `calibration`
    is added or replaced, no other is changed. The intervals are made from the engines that
    split.calibration kept, else from the validation engines, which also chose the epoch. K
    engines support levels up to K/(K + 1). Only the train file is opened, and fetched where it
    is missing.

    \b
    Example:
      rul calibrate runs/fd001-s0
      rul calibrate runs/fd001-s0 --level 0.5,0.9
    """
    from cmapss_rul.training.device import pick_device

    chosen = pick_device(device)

    from cmapss_rul.display.text import json_text, printable
    from cmapss_rul.evaluation.intervals import about
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.training.calibrate import calibrate_run

    try:
        levels = [float(word) for word in level.split(",")] if level else None
    except ValueError:
        raise UsageError(
            f"--level: found {printable(level)}, expected numbers such as 0.8,0.9"
        ) from None
    model = calibrate_run(run, levels, device=chosen, data_dir=data)
    said = about(model)
    assert said is not None
    if as_json:
        typer.echo(json_text({"file": str(model.path), "intervals": said}))
        return
    listed = ", ".join(f"{one:g}" for one in said["levels"])
    mark = f" ({said['mark']})" if said["mark"] else ""
    typer.echo(
        f"saved {printable(model.path)}: intervals at {listed} from {said['engines']} "
        f"{said['kind']} engines{mark}"
    )
