"""A page of sections as one HTML file that needs nothing else, and its pictures beside it."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from cmapss_rul.display import plotting
from cmapss_rul.evaluation.save import ADVICE
from cmapss_rul.system.files import cannot_write, remove_partial_files, write_atomic
from cmapss_rul.system.text import printable
from cmapss_rul.version import __version__

_LONG = 20
"""Letters of a long name."""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Warned:
    """A paragraph that no reader may miss."""

    kind: ClassVar[str] = "warning"
    text: str


@dataclass(frozen=True)
class Missing:
    """What is not there, and why."""

    kind: ClassVar[str] = "missing"
    text: str


@dataclass(frozen=True)
class Lines:
    """A text whose lines stay as they are, hidden until it is asked for."""

    kind: ClassVar[str] = "lines"
    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; it scrolls by itself where it is wider than the page.

    Attributes:
        title: what it holds.
        head: [column].
        rows: [row][column], texts; the first of a row names it.
        right: whether all columns but the first are aligned to the right.
        strong: numbers of the rows that stand out.
        folded: whether it is hidden until it is asked for.
        beside: whether it may stand beside the picture before it.
    """

    kind: ClassVar[str] = "table"
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: bool = True
    strong: Sequence[int] = ()
    folded: bool = False
    beside: bool = False

    @property
    def long(self) -> bool:
        """Whether a row's name is so long that it takes several lines on a phone."""
        return any(len(row[0]) > _LONG for row in self.rows)


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        name: of its files, without ending.
        title: what is drawn, and how to read it.
        text: what is to be seen, for those who do not see it.
        draw: draws it.
        wide: whether it has panels side by side, so that it is not made smaller than can be read
            but scrolls by itself.
        alone: whether nothing stands beside it.
    """

    kind: ClassVar[str] = "picture"
    name: str
    title: str
    text: str
    draw: Callable[[], Figure]
    wide: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Drawn:
    """A picture that was drawn before, by its two files; otherwise as `Picture`."""

    kind: ClassVar[str] = "picture"
    name: str
    title: str
    text: str
    folder: Path
    wide: ClassVar[bool] = True


Part = Text | Warned | Missing | Lines | Table | Picture | Drawn


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        name: the page's address of it.
        title: the heading.
        parts: what stands below it, in order.
    """

    name: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        title: the first heading.
        about: what it is about, in a line.
        figures: what counts most: name and value.
        warnings: what no reader may miss.
        sections: everything else.
        made: with what the page was made.
    """

    title: str
    about: str
    figures: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    sections: Sequence[Section]
    made: str


def made_by() -> str:
    """With what a page was made; without a time, so that equal runs give equal pages."""
    return f"Made by `rul report` of cmapss_rul {__version__}."


def pictures_folder(output: Path) -> Path:
    """Folder of a page's pictures.

    >>> pictures_folder(Path("runs/a/report.html")).as_posix()
    'runs/a/report-figures'
    """
    return output.with_name(f"{output.stem}-figures")


def write(page: Page, output: Path) -> list[Path]:
    """Draw the pictures and write the page, each file in one step and the page last.

    Args:
        page: all of it.
        output: the HTML file; its pictures go to `pictures_folder`.

    Returns:
        The page, then its pictures.

    Raises:
        RulError: a file cannot be written.
    """
    folder = pictures_folder(output)
    try:
        remove_partial_files(output.parent, output.name)
        remove_partial_files(folder)
        images: dict[str, str] = {}
        written = []
        for section in page.sections:
            for part in section.parts:
                if isinstance(part, Picture | Drawn):
                    files = _files(part, folder)
                    images[part.name] = _address(files[-1])
                    written += files
        write_atomic(
            output, environment().get_template("page.html").render(page=page, images=images)
        )
    except OSError as error:
        raise cannot_write(Path(error.filename or output), error, ADVICE) from error
    return [output, *written]


def _files(part: Picture | Drawn, folder: Path) -> list[Path]:
    """PNG and SVG of a picture in the folder."""
    if isinstance(part, Picture):
        return plotting.save(part.draw, folder, part.name)
    copies = []
    for ending in plotting.ENDINGS:
        copies.append(folder / f"{part.name}.{ending}")
        write_atomic(copies[-1], (part.folder / f"{part.name}.{ending}").read_bytes())
    return copies


def _address(svg: Path) -> str:
    """The picture itself, as an address, so that nothing has to be fetched."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.read_bytes()).decode()}"


def environment() -> Environment:
    """Templates in which every text is shown as it is: no markup, no control character obeyed."""
    return Environment(
        loader=PackageLoader("cmapss_rul.reports"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _shown(value: Any) -> Any:
    """Make a foreign text printable; what a template wrote itself is left as it is."""
    return printable(value) if type(value) is str else value
