"""The HTML page: complete, escaped, self-contained, written atomically."""

import base64
from functools import partial

import pytest
from matplotlib.figure import Figure

from cmapss_rul.display.table import Table
from cmapss_rul.reports.page import (
    Column,
    Lines,
    Missing,
    Page,
    PageTable,
    Plot,
    Section,
    Text,
    plots_folder,
    write_page,
)
from cmapss_rul.system.errors import RulError
from tests.reports.inputs import Seen

EVIL = "<script>alert('a')</script>\x1b[31m\u202e\n\"&"
SHOWN = "<script>alert('a')</script>\\x1b[31m\\u202e\\n\"&"


def drawn() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2], [2, 1])
    return figure


def page(*parts, **changes) -> Page:
    plain = {
        "title": "a run", "subtitle": "of it", "key_metrics": [], "verdict": [], "warnings": []
    }  # fmt: skip
    return Page(**{**plain, "sections": [Section("s", "A section", parts)], **changes})


def seen(tmp_path, *parts, **changes) -> Seen:
    files = write_page(page(*parts, **changes), tmp_path / "report.html")
    return Seen(files[0].read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "part",
    [
        Text(EVIL),
        Missing(EVIL),
        Lines(EVIL, [EVIL]),
        Lines(EVIL, [EVIL], code=True),
        Column([Table(EVIL, [EVIL], [[EVIL]])]),
        PageTable(Table(EVIL, [EVIL, EVIL], [[EVIL, EVIL]], notes=[EVIL])),
        PageTable(Table(EVIL, [EVIL], [[EVIL]]), folded=True),
        Plot("p", EVIL, EVIL, drawn),
    ],
)
def test_all_text_is_escaped(tmp_path, part):
    found = seen(
        tmp_path,
        part,
        title=EVIL,
        subtitle=EVIL,
        key_metrics=[(EVIL, EVIL)],
        verdict=[EVIL],
        warnings=[EVIL],
        lead=Plot("lead", EVIL, EVIL, drawn),
    )
    assert "script" not in found.tags
    assert found.text.count(SHOWN) >= 6
    whole = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "".join(whole.split("\n")).isprintable()


def test_line_breaks_are_retained(tmp_path):
    found = seen(tmp_path, Lines("configuration", ["a:", "  b: 1"], code=True))
    assert "a:\n  b: 1\n" in found.text
    assert "details" in found.tags


def test_sentences_are_a_list(tmp_path):
    found = seen(tmp_path, Lines("pairs", ["a beats b", "no difference"]))
    assert found.tags[found.tags.index("main") :].count("li") == 2
    assert "pre" not in found.tags


def test_cells_of_a_table_have_their_headings(tmp_path):
    found = seen(
        tmp_path,
        PageTable(Table("RMSE", ["cell", "value"], [["x", "1"], ["y", "2"]], strong=[1])),
    )
    assert ("scope", "col") in found.attributes
    assert found.attributes.count(("scope", "row")) == 2
    assert found.attributes.count(("class", "strong")) == 1
    assert ("aria-label", "RMSE") in found.attributes
    assert "cell value x 1 y 2" in found.words


@pytest.mark.parametrize(("name", "kind"), [("x" * 20, "numbers"), ("x" * 21, "numbers long")])
def test_long_row_names_have_room(tmp_path, name, kind):
    found = seen(
        tmp_path, PageTable(Table("RMSE", ["cell", "value"], [["short", "1"], [name, "2"]]))
    )
    assert found.attributes.count(("class", kind)) == 1


@pytest.mark.parametrize(("place", "kind"), [({}, None), ({"wide": True}, "wide full")])
def test_a_plot_takes_the_width_that_it_needs(tmp_path, place, kind):
    found = seen(tmp_path, Plot("p", "t", "x", drawn, **place))
    classes = [value for name, value in found.attributes if name == "class"]
    assert (kind in classes) is (kind is not None)
    assert ("wide full" in classes) is ("wide" in place)


def test_a_missing_part_is_reported(tmp_path):
    assert "Left out: intervals: none" in seen(tmp_path, Missing("intervals: none")).words


def test_a_plot_is_embedded_and_saved(tmp_path):
    found = seen(tmp_path, Plot("curve", "A curve", "It falls.", drawn))
    folder = plots_folder(tmp_path / "report.html")
    assert {path.name for path in folder.iterdir()} == {"curve.png", "curve.svg"}
    (image,) = found.images
    assert image["alt"] == "It falls."
    kind, _, content = image["src"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(content) == (folder / "curve.svg").read_bytes()
    assert "A curve" in found.words


def test_narrow_tables_are_side_by_side(tmp_path):
    tables = [Table("first", ["a"], [["x"]]), Table("second", ["a"], [["y"]])]
    found = seen(tmp_path, Column(tables), PageTable(Table("third", ["a"], [["z"]])))
    classes = [value for name, value in found.attributes if name == "class"]
    assert classes.count("full") == 2  # the key metrics without a lead plot, and the third table
    assert "first a x second a y" in found.words


def test_the_headline_comes_before_the_sections(tmp_path):
    lead = Plot("lead", "A lead plot", "It leads.", drawn)
    found = seen(tmp_path, Text("a text"), key_metrics=[("RMSE", "1")], verdict=["Low."], lead=lead)
    order = [found.words.index(text) for text in ("RMSE 1", "Low.", "A lead plot", "a text")]
    assert order == sorted(order)


def test_existing_plots_are_copied(tmp_path):
    write_page(page(Plot("curve", "t", "x", drawn)), tmp_path / "a.html")
    source = plots_folder(tmp_path / "a.html")
    files = write_page(page(Plot("curve", "t", "x", source)), tmp_path / "new" / "b.html")
    assert [path.name for path in files] == ["b.html", "curve.png", "curve.svg"]
    assert files[2].read_bytes() == (source / "curve.svg").read_bytes()


def test_nothing_is_fetched_and_no_script_is_needed(tmp_path):
    found = seen(tmp_path, Plot("curve", "t", "x", drawn), Text("a"))
    addresses = [value for name, value in found.attributes if name in ("src", "href")]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "script" not in found.tags
    assert "url(" not in (tmp_path / "report.html").read_text()


def test_equal_pages_have_equal_bytes(tmp_path):
    parts = [Plot("curve", "t", "x", drawn), Text("a")]
    seen(tmp_path, *parts)
    first = (tmp_path / "report.html").read_bytes()
    seen(tmp_path, *parts)
    assert (tmp_path / "report.html").read_bytes() == first


def test_a_failed_write_is_one_line_and_keeps_the_old_page(tmp_path):
    output = tmp_path / "report.html"
    output.write_text("former")
    plots_folder(output).write_text("in the way")
    with pytest.raises(RulError, match="cannot be written") as failure:
        write_page(page(Plot("curve", "t", "x", drawn)), output)
    assert "\n" not in str(failure.value)
    assert output.read_text() == "former"


def test_a_plot_is_drawn_when_the_page_is_written(tmp_path):
    asked = []
    write_page(
        page(Plot("p", "t", "x", partial(lambda: asked.append(1) or drawn()))),
        tmp_path / "p.html",
    )
    assert asked == [1]
