"""`rul export`: a trained model for other systems."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson, Checkpoint, Data


class Format(StrEnum):
    """What `--format` takes."""

    onnx = "onnx"
    torch_export = "torch-export"


def export(
    checkpoint: Checkpoint,
    format: Annotated[
        Format, typer.Option("--format", help="ONNX, or a file for torch.export.load.")
    ] = Format.onnx,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where it goes; by default model.onnx or model.pt2 beside the checkpoint.",
        ),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Export a model that runs without this package.

    Padding and preprocessing are inside the graph: it takes raw rows and gives RUL, health
    probabilities and, for a run with intervals, rul_lower and rul_upper at the level nearest to
    0.9, for any batch size. The file says what it takes and gives, and under which protocol it
    was made. The export is compared with the Python model over the test engines, whose file is
    fetched where it is missing, and refused where it differs by more than 0.05 cycles.

    \b
    Example:
      rul export runs/fd001-s0 --format onnx
      rul export runs/fd001-s0 --format torch-export --output engine.pt2
    """
    from dataclasses import asdict

    from cmapss_rul.display.text import json_text, printable
    from cmapss_rul.evaluation.export import default_path
    from cmapss_rul.evaluation.export import export as export_model
    from cmapss_rul.training.checkpoint import restore

    model = restore(checkpoint)
    path = output or default_path(model.path, format.value)
    parity = export_model(model, format.value, path, data_dir=data)
    if as_json:
        typer.echo(json_text({"file": str(path), "parity": asdict(parity)}))
        return
    ends = "" if parity.interval is None else f", interval within {parity.interval:.1e} cycles"
    typer.echo(
        f"parity with the Python model over {parity.engines} test engines: "
        f"RUL within {parity.rul:.1e} cycles, probabilities within {parity.health:.1e}{ends}"
    )
    typer.echo(f"saved {printable(path)}")
