"""`rul evaluate`: test-set evaluation of a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson, Checkpoint, Data, Device, Estimate, EstimateName
from cmapss_rul.cli.output import print_line, print_table


def evaluate(
    checkpoint: Checkpoint,
    full: Annotated[
        bool,
        typer.Option("--full", help="Print all metrics, baselines, coverage and the protocol."),
    ] = False,
    estimate: Estimate = EstimateName.rmse,
    as_json: AsJson = False,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            help="Also fit gradient boosting on window statistics of the same engines; saved to "
            "baseline.json and shown by later evaluations. Needs pip install "
            "'cmapss_rul[baseline]'.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the saved files; by default that of the checkpoint."
        ),
    ] = None,
    device: Device = "auto",
    data: Data = None,
) -> None:
    """Evaluate a trained model on its test engines.

    Prints the RMSE with its confidence interval, the reference that it is compared with and the
    evaluation protocol; with --full also baselines, interval coverage and health classification
    metrics. --estimate nasa adds a table of two point estimates, each with its own RMSE and NASA
    score; all other metrics are those of the network's RUL. All metrics are saved to
    evaluation.json, the predictions to predictions.csv. Missing test and RUL files are downloaded.
    For your own fleet without a test file, the engines held out from the training file
    (split.test) are truncated and used as the test set.

    \b
    Examples:
      rul evaluate runs/fd001-s0
      rul evaluate runs/fd001-s0 --full
      rul evaluate runs/fd001-s0 --baseline
      rul evaluate runs/fd001-s0/last.pt --json --output results
    """
    from cmapss_rul.training.device import pick_device

    chosen = pick_device(device)  # before any file is read

    from cmapss_rul.evaluation.baseline import (
        evaluate_baseline,
        store_baseline,
        with_stored_baseline,
    )
    from cmapss_rul.evaluation.evaluate import evaluate as evaluate_model
    from cmapss_rul.evaluation.intervals import check_estimate
    from cmapss_rul.evaluation.save import EvaluationFiles, save, to_json, track_evaluation
    from cmapss_rul.evaluation.tables import estimates_table
    from cmapss_rul.training.trained_model import restore

    model = restore(checkpoint, chosen)
    targets = EvaluationFiles.of(model.path, output)
    check_estimate(model, estimate.value)
    targets.check()  # an unwritable folder is reported before the evaluation, not after it
    evaluation = evaluate_model(model, data_dir=data)
    if baseline:
        store_baseline(model, *evaluate_baseline(model, data))
    evaluation = with_stored_baseline(model, evaluation)
    save(evaluation, targets)
    track_evaluation(model, evaluation, [targets.metrics], lambda text: print_line(text, err=True))
    if as_json:
        typer.echo(to_json(evaluation), nl=False)
        return
    if full:
        from cmapss_rul.evaluation.tables import render
    else:
        from cmapss_rul.evaluation.headline import render_headline as render

    print_table(render(evaluation))
    if not full and estimate == EstimateName.nasa:
        print_table(estimates_table(evaluation))
    print_line(f"saved {targets.metrics} and {targets.predictions}")
    if not full:
        print_line(f"next: {_next_command(model.path, data)}")


def _next_command(checkpoint: Path, data: Path | None) -> str:
    """Suggest `rul report` for the best checkpoint of a run, else `rul predict`."""
    from cmapss_rul.display.text import shell_word
    from cmapss_rul.training.checkpoint_file import BEST

    if checkpoint.name != BEST:
        return f"rul predict {shell_word(checkpoint)} FILE"
    folder = "" if data is None else f" --data {shell_word(data)}"
    return f"rul report {shell_word(checkpoint.parent)}{folder}"
