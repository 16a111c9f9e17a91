"""`rul download-data`: download the official files into the data folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmapss_rul.cli.options import DATA_FOLDER, AsJson
from cmapss_rul.cli.output import print_json, print_line

if TYPE_CHECKING:
    from cmapss_rul.data.columns import FlightSetName
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
        typer.Option(metavar="NAMES", help="Comma-separated subsets; DS01 … DS08d are N-CMAPSS."),
    ] = "FD001,FD002,FD003,FD004",
    data: Annotated[Path, typer.Option(metavar="DIR", help="Data folder.")] = DATA_FOLDER,
    force: Annotated[
        bool, typer.Option("--force", help="Download again and replace existing files.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Download the C-MAPSS text files and verify their checksums.

    Existing valid files are not downloaded again. Nothing is written unless every requested file
    is valid.

    Each N-CMAPSS subset is one HDF5 file of 2.3 to 3.8 GB, extracted while NASA's archive of
    15.8 GB is streamed; the archive is not stored. NASA publishes no checksums: that of the first
    download is recorded.

    \b
    Examples:
      rul download-data
      rul download-data --subset FD001,FD003
      rul download-data --source CMAPSSData.zip
      rul download-data --subset DS02
    """
    from dataclasses import asdict

    from cmapss_rul.data.columns import FLIGHT_SETS, SUBSETS, file_names, parse_subsets
    from cmapss_rul.data.sources import fetch
    from cmapss_rul.display.text import counted

    wanted = parse_subsets(subset, (*SUBSETS, *FLIGHT_SETS))
    large = [
        _download_flights(name, data, source, force=force) for name in FLIGHT_SETS if name in wanted
    ]
    names = file_names([name for name in SUBSETS if name in wanted])
    if large and not names:
        if as_json:
            print_json({"source": source, "files": large})
        return
    fetched = fetch(names, data, source, force=force)
    # before the result: failed sources explain why another one was used
    for note in (*fetched.answers, *fetched.refused):
        print_line(f"note: {note}", err=True)
    if as_json:
        plain = [
            {"file": str(data / origin.name), "written": written, **asdict(origin)}
            for origins, written in ((fetched.unchanged, False), (fetched.written, True))
            for origin in origins
        ]
        print_json({"source": fetched.source, "files": large + plain})
        return
    for files, state in ((fetched.unchanged, "exists"), (fetched.written, "written")):
        for origin in files:
            print_line(f"{data / origin.name}  {state}  {_kind(origin)}")
    if fetched.written:
        print_line(f"{counted(len(fetched.written), 'file')} from {fetched.source}")
    else:
        print_line("all files exist; nothing was downloaded (--force downloads again)")


def _download_flights(
    subset: "FlightSetName", directory: Path, source: str | None, *, force: bool
) -> dict[str, object]:
    """Fetch an N-CMAPSS file, after printing its size."""
    from cmapss_rul.data.flight_archive import digest_path, fetch_flight_file
    from cmapss_rul.data.ncmapss import ARCHIVE_GB, FILES

    entry = FILES[subset]
    if force or not (directory / entry.file).exists():
        origin = f"up to {ARCHIVE_GB} GB are read from NASA's archive" if source is None else source
        print_line(f"{entry.file}: {entry.megabytes / 1000:.1f} GB; {origin}", err=True)
    found = fetch_flight_file(subset, directory, source, force=force)
    state = "exists" if found.source is None else "written"
    note = f"  SHA-256 {found.sha256} recorded in {digest_path(found.path).name}"
    print_line(f"{found.path}  {state}{note if found.source else ''}", err=True)
    return {"file": str(found.path), "written": found.source is not None, "sha256": found.sha256}


def _kind(origin: "Provenance") -> str:
    """Describe the origin of a file; for an unofficial file with both digests."""
    from cmapss_rul.data.verification import DIGESTS

    if origin.official:
        return "official"
    return (
        f"{'simulated, ' if origin.simulated else ''}not the official file: "
        f"sha256 {origin.sha256}, official {DIGESTS[origin.name]}"
    )
