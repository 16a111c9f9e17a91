"""`rul export`: save a trained model as ONNX or torch.export program."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson, Checkpoint, Data, Estimate, EstimateName
from cmapss_rul.cli.output import print_json, print_line


class Format(StrEnum):
    """Values of `--format`."""

    onnx = "onnx"
    torch_export = "torch-export"


def export(
    checkpoint: Checkpoint,
    format: Annotated[
        Format, typer.Option("--format", help="ONNX or torch.export program.")
    ] = Format.onnx,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to write; by default model.onnx or model.pt2 beside the checkpoint.",
        ),
    ] = None,
    estimate: Estimate = EstimateName.rmse,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Export a model to run without this package.

    The graph includes padding and preprocessing. Inputs are raw rows of one or more engines;
    outputs are RUL, health probabilities and, for a calibrated run, rul_lower and rul_upper at the
    level nearest to 0.9. All outputs of an engine are NaN if a valid row has a missing or infinite
    value in a column that the model uses. Metadata in the file describe inputs, outputs and
    protocol. The export is compared with the Python model on the test engines, whose file is
    downloaded if missing, and is rejected if predictions differ by more than 0.05 cycles.

    \b
    Examples:
      rul export runs/fd001-s0 --format onnx
      rul export runs/fd001-s0 --format torch-export --output engine.pt2
    """
    from dataclasses import asdict

    from cmapss_rul.evaluation.export import default_path
    from cmapss_rul.evaluation.export import export as export_model
    from cmapss_rul.training.trained_model import restore

    model = restore(checkpoint)  # on the CPU, even if trained on a GPU
    path = output or default_path(model.path, format.value)
    parity = export_model(model, format.value, path, estimate=estimate.value, data_dir=data)
    if as_json:
        print_json({"file": str(path), "parity": asdict(parity)})
        return
    unit = model.config.data.unit
    bounds = "" if parity.interval is None else f", interval within {parity.interval:.1e} {unit}"
    print_line(
        f"parity with the Python model over {parity.engines} test engines: "
        f"RUL within {parity.rul:.1e} {unit}, probabilities within {parity.health:.1e}{bounds}"
    )
    print_line(f"saved {path}")
