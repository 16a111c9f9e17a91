"""Helpers shared by all plots."""

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cmapss_rul.display import plotting


def figure() -> Figure:
    found = Figure(figsize=(2, 1))
    found.subplots().plot([1, 2], [1, 1000], label="a$b$\\frac")
    found.legend()
    return found


def test_both_files_are_written_and_equal_pictures_have_equal_bytes(tmp_path):
    written = plotting.save(figure, tmp_path, "p")
    assert [path.name for path in written] == ["p.png", "p.svg"]
    first = [path.read_bytes() for path in written]
    assert first[0].startswith(b"\x89PNG")
    assert first[1].startswith(b"<?xml")
    assert [path.read_bytes() for path in plotting.save(figure, tmp_path, "p")] == first


def test_without_a_plot_old_files_are_removed(tmp_path):
    plotting.save(figure, tmp_path, "p")
    assert plotting.save(lambda: None, tmp_path, "p") == []
    assert list(tmp_path.iterdir()) == []


def test_the_style_is_reset_after_the_plot(tmp_path):
    before = mpl.rcParams["text.parse_math"]
    plotting.save(figure, tmp_path, "p")
    assert mpl.rcParams["text.parse_math"] is before


def test_the_colours_that_stand_side_by_side_differ_in_grey():
    grey = [sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), to_rgb(colour), strict=True))
            for colour in plotting.COLOURS]  # fmt: skip
    predicted, interval = grey[1], grey[6]
    assert interval - predicted > 0.15
    assert len(set(plotting.COLOURS)) == len(plotting.COLOURS)


@pytest.mark.parametrize(("values", "shown"), [([1, 1000], "10"), ([1, 6], "2"), ([1, 1.6], "1.2")])
def test_a_logarithmic_axis_has_plain_numbers(values, shown):
    axes = Figure().subplots()
    axes.plot([1, 2], values)
    plotting.log_scale(axes)
    axes.figure.canvas.draw()
    assert shown in [label.get_text() for label in axes.get_yticklabels()]


def test_text_is_wrapped_and_an_empty_one_is_left():
    assert plotting.wrapped("one two three", 8) == "one two\nthree"
    assert plotting.wrapped("") == ""
