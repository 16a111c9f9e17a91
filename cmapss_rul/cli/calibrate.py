"""`rul calibrate`: prediction intervals for an existing run."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson, Data, Device, complete_run
from cmapss_rul.cli.output import print_json, print_line


def calibrate(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Run folder, or its best.pt.", autocompletion=complete_run
        ),
    ],
    level: Annotated[
        str,
        typer.Option(
            metavar="LEVEL,…",
            help="Coverage levels to add to those of the run; by default its levels are replaced "
            "by those of 0.8,0.9,0.95 for which there are enough engines.",
        ),
    ] = "",
    device: Device = "auto",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate the prediction intervals of a trained run.

    `rul train` already calibrates; use this command for more levels, or for a run from before
    2026-11-29, whose intervals cover a random cycle of a whole life, not the cycle at which a
    record is truncated. Only the entry `calibration` of best.pt is added or replaced. Conformal
    intervals are fitted on the calibration engines (split.calibration), or else on the validation
    engines, which also selected the epoch, each cut at a random cycle. K engines support levels
    up to K/(K + 1), near which intervals are very wide: by default 0.9 needs 19 engines and 0.95
    needs 39. Only the training file is read; it is downloaded if missing.

    \b
    Examples:
      rul calibrate runs/fd001-s0
      rul calibrate runs/fd001-s0 --level 0.5,0.9
    """
    from dataclasses import asdict

    from cmapss_rul.training.device import pick_device

    chosen = pick_device(device)  # before any file is read

    from cmapss_rul.evaluation.intervals import interval_facts
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.training.calibrate import calibrate_run

    try:
        levels = [float(text) for text in level.split(",")] if level else None
    except ValueError:
        raise UsageError(f"--level: found {level}, expected numbers such as 0.8,0.9") from None
    model = calibrate_run(run, levels, device=chosen, data_dir=data)
    facts = interval_facts(model)
    assert facts is not None  # fitted by `calibrate_run`
    if as_json:
        print_json({"file": str(model.path), "intervals": asdict(facts)})
        return
    levels_text = ", ".join(f"{level:g}" for level in facts.levels)
    caveat = f" ({facts.mark})" if facts.mark else ""
    print_line(
        f"saved {model.path}: intervals at {levels_text} from {facts.engines} "
        f"{facts.kind} engines{caveat}"
    )
