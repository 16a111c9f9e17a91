"""Helpers shared by the tests of reports."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib as mpl
from matplotlib.figure import Figure

from cmapss_rul.training.reporters import write_metrics
from cmapss_rul.training.runs import RunFolder
from tests.evaluation._models import FIGURES


def write_rows(folder: Path, epochs: int) -> None:
    """Write a metrics.csv whose values change from epoch to epoch."""
    rows = [
        {**FIGURES, "epoch": epoch, "val_rmse": 20.0 - epoch, "clipped_share": 1 / epoch,
         "weight_rul": 0.01 * epoch, "seconds": 1.0, "windows_per_second": 10.0}
        for epoch in range(1, epochs + 1)
    ]  # fmt: skip
    write_metrics(RunFolder(folder).metrics, rows)


def save_placeholder(_: Figure, stream: BinaryIO, **__: Any) -> None:
    """In place of `Figure.savefig`: layout and rendering take seconds per report."""
    stream.write(b"a plot")


def texts(figure: Figure) -> list[str]:
    """All texts of a figure."""
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


class Seen(HTMLParser):
    """Parser of a page: text, tags, images, and whether tags are closed in order."""

    VOID = frozenset({"meta", "link", "img", "br"})
    CELLS = frozenset({"th", "td", "dt", "dd"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags, self.open = "", [], []
        self.images: list[dict[str, str | None]] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)
        self.close()
        assert not self.open
        self.words = " ".join(re.sub(r"\s+", " ", self.text).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in self.CELLS:
            self.text += " "

    def handle_data(self, data):
        if not {"style", "title"} & set(self.open):
            self.text += data
