"""`rul config`: show, validate, create and list configurations."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import (
    AsJson,
    CycleColumn,
    CycleFromOrder,
    EngineColumn,
    Sets,
    complete_config,
)
from cmapss_rul.cli.output import print_json, print_line
from cmapss_rul.cli.usage import Command

app = typer.Typer(
    rich_markup_mode=None,
    help="""Show, validate, create and list configurations.

    \b
    Examples:
      rul config list
      rul config show fd001
    """,
)

_Config = Annotated[
    str,
    typer.Argument(
        metavar="NAME-OR-PATH",
        help="YAML file, or name of a shipped configuration.",
        autocompletion=complete_config,
    ),
]


@app.command("show", cls=Command)
def show(name: _Config, sets: Sets = None) -> None:
    """Print a configuration with all keys and their descriptions.

    \b
    Examples:
      rul config show fd001 --set balancer.name=gradnorm > mine.yaml
      rul train --config mine.yaml
    """
    from cmapss_rul.config.load import load
    from cmapss_rul.config.yaml import to_yaml
    from cmapss_rul.training.config import RunConfig

    typer.echo(to_yaml(load(RunConfig, name, sets or ())), nl=False)


@app.command("validate", cls=Command)
def validate(name: _Config, sets: Sets = None) -> None:
    """Validate a configuration and report all errors.

    \b
    Example:
      rul config validate mine.yaml --set train.batch_size=64
    """
    from cmapss_rul.config.load import load
    from cmapss_rul.training.config import RunConfig

    load(RunConfig, name, sets or ())
    print_line("valid")


@app.command("new", cls=Command)
def new(
    source: Annotated[
        Path,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Run-to-failure records: CSV, Parquet, Excel, C-MAPSS text.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write instead of stdout; never overwritten.",
        ),
    ] = None,
    engine: EngineColumn = None,
    cycle: CycleColumn = None,
    cycle_from_order: CycleFromOrder = False,
    setting: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Setting column. Repeatable."),
    ] = None,
    sensor: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Sensor column. Repeatable."),
    ] = None,
) -> None:
    """Create a configuration for your own fleet.

    Infers settings, sensors, operating conditions, RUL cap and window from the header and the
    value ranges of a file, and prints commented YAML for you to review and edit, including the
    columns left out. Every record is assumed to end with the failure of its engine, unless
    data.event or data.censored is set.

    \b
    Examples:
      rul config new --from my.csv --output my.yaml
      rul config new --from my.csv --setting speed --sensor valve
      rul train --config my.yaml
    """
    from cmapss_rul.data.column_inference import infer_columns
    from cmapss_rul.data.records import read_file
    from cmapss_rul.display.text import shell_word
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.system.files import save_file
    from cmapss_rul.training.config_template import config_template

    # `exists` is false for a dangling link, which would be replaced
    if output is not None and (output.exists() or output.is_symlink()):
        raise UsageError(f"{output}: exists already and is not overwritten; name another file")
    found = infer_columns(
        read_file(source),
        str(source),
        engine=engine,
        cycle=cycle,
        cycle_from_order=cycle_from_order,
        setting=setting or (),
        sensor=sensor or (),
    )
    text = config_template(found, source)
    for name, reason in found.left_out:  # on stderr: stdout may be redirected into a YAML file
        print_line(f"left out: {name or 'a column without a name'}, which {reason}", err=True)
    if found.event is not None:
        print_line(f"{found.event.question}: see data.event in the draft", err=True)
    if output is None:
        typer.echo(text, nl=False)
        return
    save_file(output, text)
    print_line(f"saved {output}; review it, then run: rul train --config {shell_word(output)}")


@app.command("list", cls=Command)
def list_all(as_json: AsJson = False) -> None:
    """List the shipped configurations, models, losses and balancers.

    \b
    Examples:
      rul config list
      rul config list --json
    """
    from cmapss_rul.config.schema import NamedOption, choices
    from cmapss_rul.config.shipped import describe_config, shipped_configs
    from cmapss_rul.training.config import RunConfig

    files = [NamedOption(name, describe_config(path)) for name, path in shipped_configs().items()]
    parts = choices(RunConfig)
    if as_json:
        plain = {
            "configurations": [file._asdict() for file in files],
            "choices": {key: [row._asdict() for row in rows] for key, rows in parts.items()},
        }
        print_json(plain)
        return
    tables = [("configurations (rul train --config NAME)", files)]
    for key, rows in parts.items():
        title = _TITLES.get(key.partition(".")[0], "choices")
        tables.append((f"{title} (--set {key}=NAME)", rows))
    width = max(len(row.name) for _, rows in tables for row in rows)
    for title, rows in tables:
        print_line(title)
        for row in rows:
            print_line(f"  {row.name:<{width}}  {row.description}".rstrip())
        print_line("")


_TITLES = {"model": "models", "loss": "losses", "balancer": "balancers", "train": "training"}
