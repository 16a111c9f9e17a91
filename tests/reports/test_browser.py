"""The report in a real Chromium: narrow, wide and dark; and a self-test of the checks."""

import pytest

from tests.reports.browser import render


@pytest.mark.parametrize(("width", "dark"), [(400, False), (1280, False), (1280, True)])
def test_nothing_is_wider_than_the_page_broken_or_invisible(reported, tmp_path, width, dark):
    found = render(reported / "report.html", width, tmp_path, dark=dark)
    assert found.console == []
    measured = found.measured
    assert measured["window"] == width
    assert measured["page"] <= width
    assert measured["wide"] == []
    assert len(measured["images"]) == 11
    for image in measured["images"]:
        assert image["natural"] > 0
        assert image["width"] > 300
        assert image["height"] > 100
        assert image["alt"]
    assert (measured["paper"] == "rgb(0, 0, 0)") is dark
    assert measured["paper"] != measured["ink"]
    assert (measured["scrolls"] > 0) is (width == 400)


def test_defects_are_detected(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        '<html><head></head><body><p style="width: 900px">wide</p>'
        '<img src="data:image/svg+xml;base64,broken" alt="">'
        '<script>console.error("broken")</script></body></html>'
    )
    found = render(page, 400, tmp_path)
    assert found.measured["page"] > 400
    assert found.measured["wide"] == ["P "]
    assert found.measured["images"][0]["natural"] == 0
    assert any("broken" in line for line in found.console)
