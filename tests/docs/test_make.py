"""The reference and the check of its links."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_links_within_the_reference(make, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b c.html").write_text('<a id="there"></a><a name="old"></a>')
    (tmp_path / "search.js").touch()
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="in/b%20c.html"><a href="in/b%20c.html#there"><a href="#here">'
        '<a href="in/b%20c.html#old"><script src="search.js"></script><a id="é"><a href="#%C3%A9">'
        '<a href="https://example.org/none"><a href="//example.org"><a href="mailto:a@b.c">'
        '<a href="none.html"><a href="#none"><a href="in/b%20c.html#none"><a href="search.js#x">'
    )
    assert list(make.dead_in_reference(tmp_path)) == [
        "a.html: none.html", "a.html: #none", "a.html: in/b%20c.html#none", "a.html: search.js#x",
    ]  # fmt: skip


def test_links_of_markdown(make, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "[a](page.md) [b](page.md#part) [c](#part) [d](https://example.org) ![e](none.png)\n"
        "[f](sub/none.md) `[g](code.md)`\n```\n[h](code.md)\n```\n"
    )
    found = list(make.dead_in_markdown([page]))
    assert found == [f"{page}: none.png", f"{page}: sub/none.md"]


def test_the_pages_of_the_project_have_no_dead_link(make):
    listed = ["git", "ls-files", "*.md"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    pages = [ROOT / name for name in done.stdout.splitlines()]
    assert ROOT / "README.md" in pages
    assert list(make.dead_in_markdown(pages)) == []


@pytest.mark.slow
def test_the_reference_is_made_without_a_warning(tmp_path):
    """Also a name that is imported when first used, and a link from one module to another."""
    pytest.importorskip("pdoc", reason="needs pdoc: pip install 'cmapss_rul[docs]'")
    command = [sys.executable, "-W", "error", str(ROOT / "docs" / "make.py"), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no dead link" in done.stdout
    top = (tmp_path / "cmapss_rul.html").read_text(encoding="utf-8")
    assert 'id="load_config"' in top
    loop = (tmp_path / "cmapss_rul/training/loop.html").read_text(encoding="utf-8")
    assert 'href="../../cmapss_rul.html#RunConfig"' in loop
    modules = [path for path in (ROOT / "cmapss_rul").rglob("*.py") if path.stem != "__main__"]
    assert len(list(tmp_path.rglob("*.html"))) == len(modules) + 1  # and index.html
