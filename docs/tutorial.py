"""Runs tutorial.md as a reader would, and makes its pictures.

python docs/tutorial.py FOLDER              in a copy of the clone, made in a new folder
python docs/tutorial.py FOLDER --pictures   and copies what it drew to docs/pictures
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
PICTURES = {
    "predicted_against_true.png": "runs/demo-s0/report-figures/predicted_against_true.png",
    "sorted_by_true.png": "runs/demo-s0/report-figures/sorted_by_true.png",
    "comparison.png": "comparisons/root/rmse_by_balancer.png",
}
"""Picture of the page → the file that its commands make."""

Done = subprocess.CompletedProcess[str]


class Block(NamedTuple):
    """A part of the page between fences.

    Attributes:
        language: sh for commands; text for what is not run.
        content: its lines.
        file: name under which the page says to save it, if it does.
    """

    language: str
    content: str
    file: str | None


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    fence = re.compile(r"(?:[Ss]ave this as|and this as) `([^`]+)`[^\n]*\n\n```(\w+)\n(.*?)```"
                       r"|```(\w+)\n(.*?)```", re.DOTALL)  # fmt: skip
    for found in fence.finditer(page):
        file, named, content, language, other = found.groups()
        yield Block(named or language, content if content is not None else other, file)


def copy_clone(folder: Path) -> None:
    """Make a folder with what the tutorial needs of a clone.

    Raises:
        FileExistsError: the folder exists.
    """
    folder.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("cmapss_rul", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)


def in_bash(commands: str, folder: Path) -> Done:
    """Run commands as typed, with the package of the folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def follow(
    folder: Path,
    change: Callable[[str], str | None] = lambda commands: commands,
    run: Callable[[str, Path], Done] = in_bash,
) -> Iterator[tuple[str, Done]]:
    """Save each file and run each block of commands.

    Args:
        folder: a copy of the clone.
        change: what to run instead of a block's commands; None for nothing.
        run: runs commands in the folder.

    Yields:
        The commands, and what came of them.
    """
    for block in blocks((DOCS / "tutorial.md").read_text(encoding="utf-8")):
        if block.file:
            (folder / block.file).write_text(block.content, encoding="utf-8")
        commands = change(block.content) if block.language == "sh" else None
        if commands is not None:
            yield commands, run(commands, folder)


def main() -> int:
    """Follow the tutorial, and stop at the first command that fails."""
    folder = Path(sys.argv[1])
    copy_clone(folder)
    for commands, done in follow(folder):
        print(f"{commands}{done.stdout}{done.stderr}", flush=True)
        if done.returncode:
            return 1
    if "--pictures" in sys.argv:
        for name, made in PICTURES.items():
            shutil.copyfile(folder / made, DOCS / "pictures" / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
