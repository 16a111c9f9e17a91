"""`rul download-data`: download the official files into the data folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmapss_rul.cli.options import AsJson
from cmapss_rul.cli.output import print_json, print_line

if TYPE_CHECKING:
    from cmapss_rul.data.verification import Provenance


def download_data(
    source: Annotated[
        str | None,
        typer.Option(
            metavar="PATH-OR-URL",
            help="Archive, folder or URL; by default $RUL_DATA_SOURCE, else the public mirrors.",
        ),
    ] = None,
    subset: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Comma-separated subsets."),
    ] = "FD001,FD002,FD003,FD004",
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Data folder.")] = Path(
        "data/raw"
    ),
    force: Annotated[
        bool, typer.Option("--force", help="Download again and replace existing files.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Download the C-MAPSS text files and verify their checksums.

    Valid files that exist already are kept, without any network access. Nothing is written
    unless every requested file is valid.

    \b
    Examples:
      rul download-data
      rul download-data --subset FD001,FD003
      rul download-data --source CMAPSSData.zip
    """
    from dataclasses import asdict

    from cmapss_rul.data.columns import file_names, parse_subsets
    from cmapss_rul.data.sources import fetch
    from cmapss_rul.display.text import counted

    fetched = fetch(file_names(parse_subsets(subset)), directory, source, force=force)
    # before the result: what failed on the way explains why another source was used
    for note in (*fetched.answers, *fetched.refused):
        print_line(f"note: {note}", err=True)
    if as_json:
        plain = [
            {"file": str(directory / origin.name), "written": written, **asdict(origin)}
            for origins, written in ((fetched.unchanged, False), (fetched.written, True))
            for origin in origins
        ]
        print_json({"source": fetched.source, "files": plain})
        return
    for files, state in ((fetched.unchanged, "exists"), (fetched.written, "written")):
        for origin in files:
            print_line(f"{directory / origin.name}  {state}  {_kind(origin)}")
    if fetched.written:
        print_line(f"{counted(len(fetched.written), 'file')} from {fetched.source}")
    else:
        print_line("all files exist; nothing was downloaded (--force downloads again)")


def _kind(origin: "Provenance") -> str:
    """Describe the origin of a file; for an unofficial one with both digests."""
    from cmapss_rul.data.verification import DIGESTS

    if origin.official:
        return "official"
    return (
        f"{'simulated, ' if origin.simulated else ''}not the official file: "
        f"sha256 {origin.sha256}, official {DIGESTS[origin.name]}"
    )
