"""`rul evaluate`: a checkpoint against the test engines."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson, Checkpoint, Data, Device
from cmapss_rul.cli.terminal import show


def evaluate(
    checkpoint: Checkpoint,
    as_json: AsJson = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the files go; beside the checkpoint by default."),
    ] = None,
    device: Device = "auto",
    data: Data = None,
) -> None:
    """Evaluate a trained network on its test engines.

    Prints RMSE, MAE, bias, NASA score, how often the intervals hold, and health figures, with
    the protocol they were made under, and saves evaluation.json and predictions.csv. Test and
    RUL file are fetched where they are missing; for a fleet of your own without a test file, the
    engines that were set aside in the training file are cut and tested on.

    \b
    Example:
      rul evaluate runs/fd001-s0
      rul evaluate runs/fd001-s0/last.pt --json --output figures
    """
    from cmapss_rul.training.device import pick_device

    chosen = pick_device(device)

    from cmapss_rul.display.text import printable
    from cmapss_rul.evaluation.evaluate import evaluate as evaluate_model
    from cmapss_rul.evaluation.save import Targets, save, to_json
    from cmapss_rul.training.checkpoint import restore

    model = restore(checkpoint, chosen)
    targets = Targets.of(model.path, output)
    targets.check()
    evaluation = evaluate_model(model, data_dir=data)
    save(evaluation, targets)
    if as_json:
        typer.echo(to_json(evaluation), nl=False)
        return
    from cmapss_rul.evaluation.table import render

    show(render(evaluation))
    typer.echo(f"saved {printable(targets.figures)} and {printable(targets.predictions)}")
