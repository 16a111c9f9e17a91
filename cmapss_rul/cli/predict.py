"""`rul predict`: predict the remaining useful life of the engines in a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import (
    AsJson,
    Checkpoint,
    CycleColumn,
    CycleFromOrder,
    Device,
    EngineColumn,
    Estimate,
    EstimateName,
    Level,
    Records,
)
from cmapss_rul.cli.output import print_line, print_table
from cmapss_rul.display.text import shell_word
from cmapss_rul.system.errors import UsageError, printable
from cmapss_rul.system.files import save_file


def predict(
    checkpoint: Checkpoint,
    file: Records,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="File to write instead of stdout."),
    ] = None,
    every_cycle: Annotated[
        bool, typer.Option("--every-cycle", help="One row per cycle instead of one per engine.")
    ] = False,
    level: Level = None,
    estimate: Estimate = EstimateName.rmse,
    allow_gaps: Annotated[
        bool,
        typer.Option("--allow-gaps", help="Accept and mark records with missing cycles."),
    ] = False,
    engine: EngineColumn = None,
    cycle: CycleColumn = None,
    cycle_from_order: CycleFromOrder = False,
    full_precision: Annotated[
        bool,
        typer.Option("--full-precision", help="CSV with all digits instead of three decimals."),
    ] = False,
    as_json: AsJson = False,
    device: Device = "auto",
) -> None:
    """Predict the RUL of engines from their records to date.

    Prints a table on a terminal, else CSV, with one row per engine:
    engine, cycle, cycles_seen, rul, rul_lower, rul_upper, health, p_0, p_1, …, padded,
    condition_known, sensors_out_of_range, note.
    padded: the record is shorter than the window. condition_known: every operating condition in
    the window occurs in the training data. sensors_out_of_range: sensors whose values in the
    window are outside the training range. note: late start or missing cycles, sensors stuck at
    one value, and the level of the interval [rul_lower, rul_upper], or why there is none. RUL and
    interval are clamped to [0, cap]; a value at the cap means 'the cap or more'. The numbers of
    rows with an unknown operating condition, with values outside the training range and with a
    stuck sensor are printed to stderr.

    An N-CMAPSS model reads the test units of the HDF5 file or, unless it uses the data per
    second, a table with its per-flight columns. A model of your own fleet expects the column
    names of its training file. A C-MAPSS model needs unit, cycle and the columns that it uses,
    named setting_1 … setting_3 and sensor_1 … sensor_21; other columns are ignored. Rows and
    columns may be in any order. These aliases are also accepted, ignoring case, spaces and
    underscores:

    \b
      unit       engine, unit_number, unit_nr, engine_id, machine_id, id
      cycle      cycles, time_cycles, time_in_cycles, time
      setting_1  setting1, op_setting_1, operational_setting_1, os_1
      sensor_1   sensor1, s_1, s1, sensor_measurement_1, sm_1
      symbols    altitude, mach, TRA, T2, T24, T30, T50, P2, P15, P30, Nf, Nc,
                 epr, Ps30, phi, NRf, NRc, BPR, farB, htBleed, Nf_dmd,
                 PCNfR_dmd, W31, W32

    \b
    Examples:
      rul predict runs/fd001-s0 data/raw/test_FD001.txt
      rul predict runs/fd001-s0 mine.csv -o rul.csv --every-cycle
      zcat mine.csv.gz | rul predict runs/fd001-s0 - --json
    """
    from cmapss_rul.training.device import pick_device

    chosen = pick_device(device)  # before any file is read

    from cmapss_rul.evaluation import predict as prediction
    from cmapss_rul.evaluation import prediction_output as written
    from cmapss_rul.training.trained_model import restore

    # a mistyped -o would replace the records by the predictions
    if output is not None and file != "-" and output.exists() and output.samefile(file):
        raise UsageError(f"{output}: is the input file; name another file with -o")
    model = restore(checkpoint, chosen)
    piped = file == "-"
    # bytes, not text: the reader detects the format and the encoding
    source, name = (sys.stdin.buffer.read(), "standard input") if piped else (file, None)
    records = prediction.read_input(
        model,
        source,
        allow_gaps=allow_gaps,
        engine=engine,
        cycle=cycle,
        cycle_from_order=cycle_from_order,
        name=name,
    )
    table = prediction.predict_records(
        model, records, every_cycle=every_cycle, level=level, estimate=estimate.value
    )
    # all digits or JSON are for copying or parsing: no table
    if output is None and sys.stdout.isatty() and not (as_json or full_precision):
        note = prediction.common_note(model, records, level, estimate.value)
        print_table(written.to_table(table, model, note))
        return
    if output is None:
        # engine names are untrusted input: escaped on the terminal, not in a file
        table["engine"] = [printable(name) for name in table["engine"]]
    if as_json:
        text = written.to_json(table, model, level, estimate.value)
    else:
        text = written.to_csv(table, full_precision=full_precision)
    if output is None:
        typer.echo(text, nl=False)
    else:
        save_file(output, text)
        print_line(f"saved {output}: {len(table)} predictions")
    if unusual := list(written.unusual_inputs(table)):
        # on stderr, so that stdout stays CSV or JSON
        check = f"rul check {shell_word(checkpoint)} {shell_word(file)}"
        for line in [*unusual, f"compare the file with the training data: {check}"]:
            print_line(line, err=True)
