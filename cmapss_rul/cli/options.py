"""Arguments and options that several verbs share, with one name and help text each."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.completion import runs

Checkpoint = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT-OR-RUN",
        help="A checkpoint, or a run folder, which means its best.pt.",
        autocompletion=runs,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one key, such as train.epochs=1; the value is YAML. Repeatable.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Folder of the data; that of the configuration by default."
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu or cuda.")]
AsJson = Annotated[bool, typer.Option("--json", help="Give the result as JSON.")]
