"""Command-line interface `rul`, one module per command: parse, call the library, print.

No module here imports torch or pandas at its top, so that `rul --help` is fast.
"""

import contextlib
import io
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from cmapss_rul.cli import (
    bench,
    calibrate,
    check,
    compare,
    config,
    download,
    evaluate,
    export,
    predict,
    quickstart,
    report,
    runs,
    simulate,
    train,
)
from cmapss_rul.cli.output import discard_stdout, error_line, print_json
from cmapss_rul.cli.usage import Command
from cmapss_rul.cli.version import collect_versions, print_versions
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.system.signals import terminable

QUICKSTART = """\
rul: remaining useful life of turbofan engines on NASA's C-MAPSS data

In one command:
  rul quickstart                       data, training, evaluation and report
Step by step:
  rul download-data                    download the data and verify their checksums
  rul train --config fd001             train a model, half a minute on one core
  rul evaluate runs/fd001-s0           metrics on the test set, with their protocol
  rul train --config demo              without data: a simulated fleet, less than a minute

More: `rul config list` lists models, losses and balancers, `rul --help` all commands.
"""


class Commands(TyperGroup):
    """Command group that reports an interrupt, which Typer alone does not."""

    def invoke(self, ctx: Any) -> Any:
        """Run the selected command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # Typer alone would exit with 130 and print nothing
            raise typer.Abort from None


app = typer.Typer(
    name="rul",
    cls=Commands,
    rich_markup_mode=None,  # brackets in help texts and file names are not markup
    context_settings={"help_option_names": ["-h", "--help"]},
)


# without a command: the first steps are more useful than 'Missing command'
@app.callback(invoke_without_command=True)
def rul(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the versions of this package, torch and Python."),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="With --version: details for bug reports, such as devices and data, as JSON.",
        ),
    ] = False,
) -> None:
    """Remaining useful life of turbofan engines on NASA's C-MAPSS data.

    \b
    Examples:
      rul train --config fd001
      rul evaluate runs/fd001-s0
      rul --version --json
    """
    if as_json and not version:
        raise UsageError("--json: needs --version, or belongs after the command")
    if version:
        if as_json:
            print_json(collect_versions())
        else:
            print_versions()
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(QUICKSTART, nl=False)


app.command("quickstart", cls=Command)(quickstart.quickstart)
app.command("download-data", cls=Command)(download.download_data)
app.command("simulate", cls=Command)(simulate.simulate)
app.command("train", cls=Command)(train.train)
app.command("evaluate", cls=Command)(evaluate.evaluate)
app.command("calibrate", cls=Command)(calibrate.calibrate)
app.command("predict", cls=Command)(predict.predict)
app.command("check", cls=Command)(check.check)
app.command("export", cls=Command)(export.export)
app.command("compare", cls=Command)(compare.compare)
app.command("report", cls=Command)(report.report)
app.command("bench", cls=Command)(bench.bench)
app.command("runs", cls=Command)(runs.runs)
app.add_typer(config.app, name="config")


def main(
    arguments: Sequence[str] | None = None,
    application: typer.Typer | None = None,
    name: str = "rul",
) -> NoReturn:
    """Run one command and exit with its exit code.

    Every error that a user can cause is one line on stderr. Exit codes: 0 success, 1 failed run,
    2 wrong usage or configuration, 130 interrupted, 143 terminated.

    Args:
        arguments: command-line arguments; those of the process by default.
        application: Typer application to run; by default `rul`.
        name: program name in help and usage texts.
    """
    # not in the library: this changes the allocator of the whole process
    keep_freed_memory()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for encodings without some characters
    try:
        with terminable():
            # not standalone: Typer would print errors itself, in several lines
            command = typer.main.get_command(application or app)
            code = command.main(arguments, prog_name=name, standalone_mode=False)
        sys.stdout.flush()  # a full disk or a closed pipe raises here at the latest
    except BaseException as error:  # an interrupt and SIGTERM are not of class Exception
        described = error_line(error)
        if described is None:  # a bug: keep the traceback for the bug report
            raise
        line, code = described
        discard_stdout()
        if line:
            with contextlib.suppress(OSError):
                print(line, file=sys.stderr, flush=True)  # noqa: T201
    # a command returns None; an int is the code of a typer.Exit, which is not raised here
    sys.exit(code if isinstance(code, int) else 0)
