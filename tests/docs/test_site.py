"""Links of all Markdown pages, and the site that scripts/docs builds."""

import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import cmapss_rul

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def dead_links(pages: list[Path]) -> Iterator[str]:
    """Links of Markdown pages to files that do not exist, `page: link`."""
    for path in pages:
        text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            parts = urlsplit(link)
            if not (parts.scheme or not parts.path or (path.parent / unquote(parts.path)).exists()):
                yield f"{path}: {link}"


def test_a_dead_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "[a](page.md) [b](page.md#part) [c](#part) [d](https://example.org) ![e](none.png)\n"
        "[f](sub/none.md) `[g](code.md)`\n```\n[h](code.md)\n```\n"
    )
    assert list(dead_links([page])) == [f"{page}: none.png", f"{page}: sub/none.md"]


def test_the_pages_of_the_project_have_no_dead_link():
    listed = ["git", "ls-files", "*.md"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    pages = [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).exists()]
    assert ROOT / "README.md" in pages
    assert list(dead_links(pages)) == []


def test_the_readme_is_one_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert len(text.split()) <= 1200


def test_every_page_is_one_click_from_the_front_page():
    front = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", front)) == pages
    site = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    assert set(re.findall(r'"([\w-]+\.md)"', site)) == pages | {"index.md"}


def test_every_package_and_every_public_name_is_in_the_reference():
    """All but the commands, which `--help` documents."""
    packages = {module.name for module in pkgutil.iter_modules(cmapss_rul.__path__) if module.ispkg}
    public = {name for name in cmapss_rul.__all__ if not name.startswith("_")}
    named = re.findall(r"^::: cmapss_rul\.(\w+)$", API, re.MULTILINE)
    assert set(named) == public | packages - {"cli"}


def test_every_module_on_the_paths_through_the_code_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    (paths,) = re.findall(r"Four paths through the code:\n(.*?)\n## ", text, re.DOTALL)
    modules = re.findall(r"`(\w+\.\w+)`", paths)
    assert len(modules) >= 20
    for module in modules:
        path = ROOT / "cmapss_rul" / module.replace(".", "/")
        assert path.with_suffix(".py").exists(), module


def test_every_test_that_the_page_on_reliability_names_exists():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"\btests/[\w/.]+", text)
    assert len(named) >= 15
    assert [name for name in named if not (ROOT / name).exists()] == []
    campaigns = set(re.findall(r"`scripts/torture (\w+)", text)) - {"CAMPAIGN"}
    assert all((ROOT / "tests" / "torture" / f"{name}.py").exists() for name in campaigns)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    """Every link, heading and name of the reference resolves, or the build fails."""
    pytest.importorskip("zensical", reason="needs zensical: pip install 'cmapss_rul[docs]'")
    for name in ("docs", "cmapss_rul"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "build" / "docs" / "api.html").read_text(encoding="utf-8")
    for name in ("cmapss_rul.load_config", "cmapss_rul.data.windows.Windows"):
        assert f'id="{name}"' in page
