"""The command line: one file per verb; parse, call the library, print.

Neither torch nor pandas is imported here or at the top of a verb's file, so that `rul --help`
answers at once.
"""

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from cmapss_rul.cli import (
    bench,
    calibrate,
    compare,
    config,
    download,
    evaluate,
    export,
    predict,
    report,
    runs,
    simulate,
    train,
)
from cmapss_rul.cli.failures import failure
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.system.signals import terminable

QUICKSTART = """\
rul: remaining useful life of turbofan engines on NASA's C-MAPSS data

First steps:
  rul download-data --subset FD001     get the data, checked by digest
  rul train --config fd001             train on them, a few minutes on two cores
  rul evaluate runs/fd001-s0           the figures, with the protocol they were made under

Without network or data:
  rul train --config demo              simulates a fleet and trains on it, under a minute

Further: `rul config list` names what can be trained, `rul --help` lists every verb.
"""


class Verbs(TyperGroup):
    """The verbs; an interrupt of any of them is said, which Typer alone does not."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


app = typer.Typer(
    name="rul",
    cls=Verbs,
    rich_markup_mode=None,  # help texts and file names hold brackets that are no markup
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    import platform
    from importlib import metadata

    from cmapss_rul.version import __version__

    try:
        torch = metadata.version("torch")  # importing torch itself takes more than a second
    except metadata.PackageNotFoundError:
        torch = "not installed"
    typer.echo(f"cmapss_rul {__version__}, torch {torch}, Python {platform.python_version()}")
    raise typer.Exit


@app.callback(invoke_without_command=True)
def rul(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_print_version,
            help="Print the versions of this package, torch and Python.",
        ),
    ] = False,
) -> None:
    """Remaining useful life of turbofan engines on NASA's C-MAPSS data.

    \b
    Example:
      rul train --config fd001
      rul evaluate runs/fd001-s0
    """
    del version  # its callback has answered
    if context.invoked_subcommand is None:
        typer.echo(QUICKSTART, nl=False)


app.command("download-data")(download.download_data)
app.command("simulate")(simulate.simulate)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("calibrate")(calibrate.calibrate)
app.command("predict")(predict.predict)
app.command("export")(export.export)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("bench")(bench.bench)
app.command("runs")(runs.runs)
app.add_typer(config.app, name="config")


def main(
    arguments: Sequence[str] | None = None,
    application: typer.Typer | None = None,
    name: str = "rul",
) -> NoReturn:
    """Run one command and leave with its exit code.

    Every error that a user can cause is one line on stderr. Exit codes: 0 done, 1 failed,
    2 usage or configuration, 130 interrupted, 143 terminated.

    Args:
        arguments: the words after `rul`; those of the process by default.
        application: whose command it is; the verbs of `rul` by default.
        name: of the application, as help and usage show it.
    """
    keep_freed_memory()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a narrow code page loses no result
    try:
        with terminable():
            command = typer.main.get_command(application or app)
            code = command.main(arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()  # a full disk or a closed pipe shows here at the latest
    except BaseException as error:
        told = failure(error)
        if told is None:
            raise
        line, code = told
        _drop_output()
        if line:
            with contextlib.suppress(OSError):
                print(line, file=sys.stderr, flush=True)  # noqa: T201
    sys.exit(code if isinstance(code, int) else 0)


def _drop_output() -> None:
    """Give up what still waits for stdout when it cannot be written, or Python complains late."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
