"""`rul download-data`: the official files into the data folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmapss_rul.cli.options import AsJson

if TYPE_CHECKING:
    from cmapss_rul.data.verification import Provenance


def download_data(
    source: Annotated[
        str | None,
        typer.Option(
            metavar="PATH-OR-URL",
            help="Archive, folder or URL; by default RUL_DATA_SOURCE, else the public sources.",
        ),
    ] = None,
    subset: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Subsets, with commas between them."),
    ] = "FD001,FD002,FD003,FD004",
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where the files go.")
    ] = Path("data/raw"),
    force: Annotated[
        bool, typer.Option("--force", help="Fetch again and replace what is there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Get the C-MAPSS text files, checked by digest.

    Files that are there and good are kept, without asking any source. Nothing is written
    unless every file needed is good.

    \b
    Example:
      rul download-data
      rul download-data --subset FD001,FD003
      rul download-data --source CMAPSSData.zip
    """
    from dataclasses import asdict

    from cmapss_rul.data.columns import file_names, parse_subsets
    from cmapss_rul.data.sources import fetch
    from cmapss_rul.display.text import json_text, printable

    fetched = fetch(file_names(parse_subsets(subset)), directory, source, force=force)
    for note in (*fetched.answers, *fetched.refused):
        typer.echo(f"note: {note}", err=True)
    if as_json:
        plain = [
            {"file": str(directory / origin.name), "written": written, **asdict(origin)}
            for origins, written in ((fetched.unchanged, False), (fetched.written, True))
            for origin in origins
        ]
        typer.echo(json_text({"source": fetched.source, "files": plain}))
        return
    for files, what in ((fetched.unchanged, "was there"), (fetched.written, "written")):
        for origin in files:
            typer.echo(f"{printable(directory / origin.name)}  {what}  {_kind(origin)}")
    if fetched.written:
        typer.echo(f"{len(fetched.written)} file(s) from {fetched.source}")
    else:
        typer.echo("all files were there; nothing was fetched (--force fetches again)")


def _kind(origin: "Provenance") -> str:
    """Say what a file is; for a foreign one with both digests."""
    from cmapss_rul.data.verification import DIGESTS

    if origin.official:
        return "official"
    return (
        f"{'simulated, ' if origin.simulated else ''}not the official file: "
        f"sha256 {origin.sha256}, official {DIGESTS[origin.name]}"
    )
