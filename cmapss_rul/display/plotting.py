"""Plot style (colours, dashes, markers, axes), and saving as PNG and SVG.

The colours are the palette of Okabe and Ito, which colour-blind readers can distinguish; dashes
and markers distinguish the lines in greyscale.
"""

import io
import math
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from cmapss_rul.system.files import write_atomic

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#7F7F7F")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = "osD^vPX*"
FORMATS = ("png", "svg")
_SETTINGS: Any = {
    "svg.hashsalt": "cmapss_rul",  # deterministic ids, so that equal data give identical files
    "text.parse_math": False,  # names may contain a dollar sign
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "axes.axisbelow": True,
}
# without these, matplotlib writes its version or the date, and equal plots would differ
_DATES: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None}}
_FINE_STEPS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


def save(picture: Callable[[], Figure | None], folder: Path, name: str) -> list[Path]:
    """Draw a plot, if there is one, and save it as PNG and SVG; return the written files.

    Where `picture` returns None, files of an earlier plot are removed.
    """
    written = []
    with mpl.rc_context(_SETTINGS):
        figure = picture()
        for extension in FORMATS:
            path = folder / f"{name}.{extension}"
            # first, and also where nothing is drawn: an old plot would pass for a new one
            path.unlink(missing_ok=True)
            if figure is not None:
                drawn = io.BytesIO()
                figure.savefig(drawn, format=extension, dpi=150, metadata=_DATES[extension])
                figure.set_layout_engine(None)  # both files share one layout, solved once
                write_atomic(path, drawn.getvalue())
                written.append(path)
    return written


def log_scale(axes: Axes) -> None:
    """Set the y axis to log scale, with plain numbers as tick labels."""
    # mask: a value of 0 leaves a gap in the line
    axes.set_yscale("log", nonpositive="mask")
    low, high = axes.get_ylim()
    decades = math.log10(high / low)
    # the default locator marks powers of ten only: a range within a decade would have no label
    steps = (1.0,) if decades > 1.5 else (1.0, 2.0, 5.0) if decades > 0.7 else _FINE_STEPS
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def legend_below(figure: Figure, source: Axes | Sequence[Any], columns: int = 4) -> None:
    """Put one legend below all panels: of the labelled artists of an axes, or of these handles."""
    handles = source.get_legend_handles_labels()[0] if isinstance(source, Axes) else source
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)


def whole_numbers(axes: Axes) -> None:
    """Restrict the ticks of the x axis to whole numbers, such as epochs or engines."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10), min_n_ticks=1))


def wrapped(text: str, width: int = 30) -> str:
    """Wrap a text to lines of at most `width` characters."""
    return "\n".join(textwrap.wrap(text, width)) or text
