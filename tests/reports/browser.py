"""Rendering of pages in a real Chromium, if installed: measurements and console."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NAMES = (
    "chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser",
    "google-chrome",
)  # fmt: skip

_MEASURE = """<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(e => {
    for (let p = e.parentElement; p; p = p.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(p).overflowX)) return false;
    return e.getBoundingClientRect().right > innerWidth + 1;
  });
  const images = [...document.images].map(i => {
    const box = i.getBoundingClientRect();
    return {natural: i.naturalWidth, width: box.width, height: box.height, alt: i.alt};
  });
  const found = {
    page: document.documentElement.scrollWidth, window: innerWidth, images,
    wide: wide.map(e => e.tagName + " " + e.className),
    scrolls: [...document.querySelectorAll(".scroll")].filter(
      e => e.scrollWidth > e.clientWidth).length,
    paper: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.body).color,
  };
  parent.postMessage(JSON.stringify(found), "*");
});
</script>"""

_FRAME = """<html style="color-scheme: {scheme}"><body style="margin: 0"><script>
addEventListener("message", event => {{
  const out = document.createElement("pre");
  out.id = "measured";
  out.textContent = event.data;
  document.body.replaceChildren(out);
}});
</script>
<iframe src="measured.html" style="width: {width}px; height: 900px; border: 0"></iframe>
</body></html>"""
"""The page in a frame, since some browsers open no window narrower than 500 pixels."""


@dataclass(frozen=True)
class Rendered:
    """Measurements in Chromium.

    Attributes:
        measured: page, window, images, wide, scrolls, paper, ink.
        console: every message.
    """

    measured: dict[str, Any]
    console: list[str]


def chromium() -> str:
    """Path of Chromium; skips the test if it is missing."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"needs a real Chromium: none of {', '.join(NAMES)} is installed")
    return found


def render(page: Path, width: int, folder: Path, *, dark: bool = False) -> Rendered:
    """Open an instrumented copy of a page.

    Args:
        page: the HTML file.
        width: of the frame around the page, pixels.
        folder: for the copy and the frame.
        dark: whether the reader prefers dark pages.
    """
    copy = folder / "measured.html"
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("</head>", f"{_MEASURE}</head>"), encoding="utf-8")
    frame = folder / "frame.html"
    scheme = "dark" if dark else "light"
    frame.write_text(_FRAME.format(scheme=scheme, width=width), encoding="utf-8")
    command = [
        chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={max(width, 1400)},900",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--virtual-time-budget=5000", "--dump-dom", frame.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    _, _, rest = done.stdout.partition('<pre id="measured">')
    plain = rest.partition("</pre>")[0].replace("&amp;", "&").replace("&lt;", "<")
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Rendered(json.loads(plain.replace("&gt;", ">")), console)
