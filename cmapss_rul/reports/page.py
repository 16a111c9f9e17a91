"""Self-contained HTML pages, with their plots beside them as PNG and SVG."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from cmapss_rul.display import plotting
from cmapss_rul.display.table import Table, to_html
from cmapss_rul.system.errors import printable
from cmapss_rul.system.files import ANOTHER_FOLDER, cannot_write, remove_partial_files, write_atomic
from cmapss_rul.version import __version__


@dataclass(frozen=True)
class Text:
    """Paragraph."""

    # the template branches on `kind`: Jinja has no test for a class
    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Missing:
    """Notice of an omitted part, with the reason."""

    kind: ClassVar[str] = "missing"
    text: str


@dataclass(frozen=True)
class Lines:
    """Collapsed list of sentences, or of the lines of a file in monospaced type (`code`)."""

    kind: ClassVar[str] = "lines"
    title: str
    lines: Sequence[str]
    code: bool = False


@dataclass(frozen=True)
class PageTable:
    """Table; a `folded` one is collapsed until the reader opens it."""

    kind: ClassVar[str] = "table"
    table: Table
    folded: bool = False


@dataclass(frozen=True)
class Column:
    """Tables in half the width of the page, beside a plot or another column."""

    kind: ClassVar[str] = "column"
    tables: Sequence[Table]


@dataclass(frozen=True)
class Plot:
    """Plot with its caption.

    Attributes:
        name: stem of its file names.
        title: caption.
        text: alternative text for readers who cannot see it.
        source: function that draws it, called when the page is written; or folder with both files.
        wide: use the full width of the page; on a small screen, scroll instead of shrinking.
    """

    kind: ClassVar[str] = "plot"
    name: str
    title: str
    text: str
    source: Callable[[], Figure] | Path
    wide: bool = False


Part = Text | Missing | Lines | PageTable | Column | Plot


@dataclass(frozen=True)
class Section:
    """Section of a page; `anchor` is the fragment of its URL."""

    anchor: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    """HTML page.

    `key_metrics` has names and values of the main results, `verdict` sentences about them;
    `warnings` are shown at the top; `lead` is the plot beside the key metrics.
    """

    title: str
    subtitle: str
    key_metrics: Sequence[tuple[str, str]]
    verdict: Sequence[str]
    warnings: Sequence[str]
    sections: Sequence[Section]
    lead: Plot | None = None

    def plots(self) -> list[Plot]:
        """Return every plot of the page."""
        parts = [self.lead, *(part for section in self.sections for part in section.parts)]
        return [part for part in parts if isinstance(part, Plot)]


def generator_note() -> str:
    """Return a note with program and version, without the time: equal runs give equal pages."""
    return f"Written by rul report, cmapss_rul {__version__}."


def plots_folder(output: Path) -> Path:
    """Return the folder for the plots of a page.

    >>> plots_folder(Path("runs/a/report.html")).as_posix()
    'runs/a/report-figures'
    """
    return output.with_name(f"{output.stem}-figures")


def write_page(page: Page, output: Path) -> list[Path]:
    """Draw the plots and write the page, each file atomically; return the paths, page first.

    Raises:
        RulError: a file cannot be written.
    """
    folder = plots_folder(output)
    try:
        # of a report that was killed while writing
        remove_partial_files(output.parent, output.name)
        remove_partial_files(folder)
        images: dict[str, str] = {}
        written = []
        for plot in page.plots():
            files = _save_plot(plot, folder)
            # the last of FORMATS is SVG: sharp at any zoom
            images[plot.name] = _data_url(files[-1])
            written += files
        template = template_environment().get_template("page.html")
        # last, so that a page always has all its plots
        write_atomic(output, template.render(page=page, images=images, footer=generator_note()))
    except OSError as error:
        raise cannot_write(Path(error.filename or output), error, ANOTHER_FOLDER) from error
    return [output, *written]


def _save_plot(plot: Plot, folder: Path) -> list[Path]:
    """Write PNG and SVG of a plot to the folder; return their paths."""
    if not isinstance(plot.source, Path):
        return plotting.save(plot.source, folder, plot.name)
    names = [f"{plot.name}.{extension}" for extension in plotting.FORMATS]
    for name in names:
        write_atomic(folder / name, (plot.source / name).read_bytes())
    return [folder / name for name in names]


def _data_url(svg: Path) -> str:
    """Encode an SVG file as a data URL, so that the page loads no other file."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.read_bytes()).decode()}"


def template_environment() -> Environment:
    """Create a Jinja environment that escapes markup and control characters in every text."""
    environment = Environment(
        loader=PackageLoader("cmapss_rul.reports"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        # a misspelt name in the template raises instead of printing nothing
        undefined=StrictUndefined,
        finalize=_printable_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["table"] = lambda table: Markup(to_html(table))  # escaped there
    return environment


def _printable_text(value: Any) -> Any:
    """Escape control characters in plain text, not in the Markup of the template."""
    # not isinstance: Markup is a subclass of str
    return printable(value) if type(value) is str else value
