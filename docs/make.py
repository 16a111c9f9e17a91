"""Makes the reference of all Python names from their docstrings, and checks its links.

    python docs/make.py [FOLDER]      by default docs/api; scripts/docs sets everything up

A warning is an error, and so is a link that leads nowhere: within the reference, or from a page of
Markdown to a file. Addresses on the web are not asked.
"""

import pkgutil
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]


class Page(HTMLParser):
    """Where a page of HTML leads, and where in it others may lead.

    Attributes:
        links: values of `href` and `src`.
        anchors: values of `id` and `name`.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag says."""
        del tag
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def dead_in_reference(folder: Path) -> Iterator[str]:
    """Links of HTML pages that lead nowhere, `page: link`, addresses on the web left out."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    for path, page in sorted(pages.items()):
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(target)
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and (known is None or anchor not in known.anchors)):
                yield f"{path.relative_to(folder)}: {link}"


def dead_in_markdown(pages: list[Path]) -> Iterator[str]:
    """Links of Markdown pages to files that do not exist, `page: link`."""
    for path in pages:
        text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            parts = urlsplit(link)
            if not (parts.scheme or not parts.path or (path.parent / unquote(parts.path)).exists()):
                yield f"{path}: {link}"


def make(folder: Path) -> list[str]:
    """Write the reference.

    Returns:
        What was warned of meanwhile.
    """
    import pdoc

    import cmapss_rul

    for name in cmapss_rul.__all__:  # imported when first used, which pdoc does not do
        setattr(cmapss_rul, name, getattr(cmapss_rul, name))
    pdoc.render.configure(docformat="google", math=False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        # only tqdm's stubs take a type in brackets, which mypy asks for
        warnings.filterwarnings("ignore", message=".*'tqdm' is not subscriptable")
        pdoc.pdoc(*specifications(), output_directory=folder)
    return [f"warning: {one.message}" for one in told]


def specifications() -> list[str]:
    """Names of modules with which pdoc finds all: where __all__ hides those inside, they too."""
    found = ["cmapss_rul"]
    for module in pkgutil.walk_packages(import_module("cmapss_rul").__path__, "cmapss_rul."):
        package = module.name.rpartition(".")[0]
        if hasattr(import_module(package), "__all__"):
            found.append(module.name)
    return [*found, "!cmapss_rul.__main__"]


def main() -> int:
    """Make the reference, check all links; exit code 1 at a dead one or a warning."""
    folder = Path(sys.argv[1] if sys.argv[1:] else ROOT / "docs" / "api")
    wrong = make(folder)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    pages = [ROOT / name for name in found.stdout.splitlines()]
    dead = [*dead_in_reference(folder), *dead_in_markdown(pages)]
    wrong += [f"dead link: {link}" for link in dead]
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    if not wrong:
        print(f"{folder / 'index.html'}: no dead link in it, nor in {len(pages)} pages of Markdown")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
