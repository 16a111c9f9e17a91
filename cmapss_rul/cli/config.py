"""`rul config`: look at configurations without running them, and begin one."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.completion import configurations
from cmapss_rul.cli.options import AsJson, Sets

app = typer.Typer(rich_markup_mode=None, help="Show, check, list and begin configurations.")

_Named = Annotated[
    str,
    typer.Argument(
        metavar="NAME-OR-PATH",
        help="A YAML file or a shipped configuration.",
        autocompletion=configurations,
    ),
]


@app.command("show")
def show(name: _Named, sets: Sets = None) -> None:
    """Print a configuration in full, with what each key means.

    \b
    Example:
      rul config show fd001 --set balancer.name=gradnorm > mine.yaml
      rul train --config mine.yaml
    """
    from cmapss_rul.config.load import load
    from cmapss_rul.config.yaml import to_yaml
    from cmapss_rul.training.config import RunConfig

    typer.echo(to_yaml(load(RunConfig, name, sets or ())), nl=False)


@app.command("validate")
def validate(name: _Named, sets: Sets = None) -> None:
    """Check a configuration; all errors are named at once.

    \b
    Example:
      rul config validate mine.yaml --set train.batch_size=64
    """
    from cmapss_rul.config.load import load
    from cmapss_rul.training.config import RunConfig

    load(RunConfig, name, sets or ())
    typer.echo("valid")


@app.command("new")
def new(
    source: Annotated[
        Path,
        typer.Option(
            "--from", metavar="FILE", help="Records until the failure: CSV, Parquet, C-MAPSS text."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write there; never over an existing file."
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The engine's column, if it has no usual name."),
    ] = None,
    cycle: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The cycle's column, if it has no usual name."),
    ] = None,
) -> None:
    """Write a configuration for a fleet of your own.

    Guesses settings, sensors, operating conditions, cap and window from the header and the
    ranges of a file, and says what it left out; prints YAML with comments, to be read and
    changed. Each record is taken to end at the engine's failure.

    \b
    Example:
      rul config new --from my.csv --output my.yaml
      rul train --config my.yaml
    """
    from cmapss_rul.data.records import read_file
    from cmapss_rul.data.survey import survey
    from cmapss_rul.display.text import printable, shell_word
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.system.files import save_file
    from cmapss_rul.training.config_template import draft

    if output is not None and (output.exists() or output.is_symlink()):
        raise UsageError(f"{printable(output)}: exists already and is left alone; name another")
    text = draft(survey(read_file(source), str(source), engine=engine, cycle=cycle), source)
    if output is None:
        typer.echo(text, nl=False)
        return
    save_file(output, text)
    typer.echo(f"saved {printable(output)}; read it, then: rul train --config {shell_word(output)}")


@app.command("list")
def list_all(
    as_json: AsJson = False,
) -> None:
    """Name the configurations, models, losses and balancers.

    \b
    Example:
      rul config list
      rul config list --json
    """
    from cmapss_rul.config.schema import NamedOption, choices
    from cmapss_rul.config.shipped import describe_config, shipped_configs
    from cmapss_rul.display.text import json_text
    from cmapss_rul.training.config import RunConfig

    files = [NamedOption(name, describe_config(path)) for name, path in shipped_configs().items()]
    parts = choices(RunConfig)
    if as_json:
        plain = {
            "configurations": [file._asdict() for file in files],
            "choices": {key: [row._asdict() for row in rows] for key, rows in parts.items()},
        }
        typer.echo(json_text(plain))
        return
    tables = [("configurations (rul train --config NAME)", files)]
    for key, rows in parts.items():
        title = _TITLES.get(key.partition(".")[0], "choices")
        tables.append((f"{title} (--set {key}=NAME)", rows))
    width = max(len(row.name) for _, rows in tables for row in rows)
    for title, rows in tables:
        typer.echo(title)
        for row in rows:
            typer.echo(f"  {row.name:<{width}}  {row.description}".rstrip())
        typer.echo()


_TITLES = {"model": "models", "loss": "losses", "balancer": "balancers", "train": "training"}
