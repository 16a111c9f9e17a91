"""`scripts/release`: update version, citation and changelog, build, test, commit and tag."""

import argparse
import datetime
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.files import write_atomic

ROOT = Path(__file__).resolve().parents[1]
VERSION, CITATION, CHANGELOG = "cmapss_rul/version.py", "CITATION.cff", "CHANGELOG.md"
_UNRELEASED = "## Unreleased\n"

STEPS = (
    (sys.executable, "-m", "hatchling", "build", "-d", "{dist}"),
    (sys.executable, "-m", "twine", "check", "--strict", "{dist}/*"),
    ("scripts/test",),
)
"""Commands that must succeed; `{dist}` is the folder of wheel and sdist."""


def release(
    root: Path,
    version: str,
    *,
    dry_run: bool = False,
    steps: Sequence[Sequence[str]] = STEPS,
    today: datetime.date | None = None,
) -> list[str]:
    """Make a release, or list its steps.

    Args:
        root: root of the repository.
        version: version of the release, three numbers.
        dry_run: check only, change nothing.
        steps: commands between the edits and the commit.
        today: date of the release.

    Returns:
        The steps, one line each.

    Raises:
        UsageError: the working tree has changes, the tag exists, or the version is not higher.
        RulError: a step failed; the files are restored.
    """
    _check(root, version)
    edits = edited(root, version, today or datetime.datetime.now(datetime.UTC).date())
    dist, tag = root / "dist" / version, f"v{version}"
    commands = [[word.format(dist=dist.relative_to(root)) for word in step] for step in steps]
    done = [
        *(f"{name}: {version}" for name in edits),
        *(" ".join(["python", *words[1:]] if words[0] == sys.executable else words)
          for words in commands),
        f"commit and tag {tag}; nothing is pushed: git push origin HEAD {tag}",
    ]  # fmt: skip
    if dry_run:
        return done
    before = {name: (root / name).read_text(encoding="utf-8") for name in edits}
    try:
        for name, text in edits.items():
            write_atomic(root / name, text)
        for words in commands:
            _run(root, words)
        _run(root, ["git", "commit", "--quiet", "-m", f"Version {version}", *edits])
    except BaseException:
        for name, text in before.items():
            write_atomic(root / name, text)
        shutil.rmtree(dist, ignore_errors=True)
        raise
    _run(root, ["git", "tag", "-a", tag, "-m", f"Version {version}"])
    return done


def edited(root: Path, version: str, today: datetime.date) -> dict[str, str]:
    """Return the new text of each file that contains the version.

    Raises:
        UsageError: the changelog has no entry since the last release.
    """
    code, citation, changelog = (
        (root / name).read_text(encoding="utf-8") for name in (VERSION, CITATION, CHANGELOG)
    )
    _, heading, rest = changelog.partition(_UNRELEASED)
    if not heading or not re.match(r"\s*(#{3} .+\s+)*- ", rest):
        raise UsageError(f"{CHANGELOG}: has no entry under '{_UNRELEASED.strip()}'")
    citation = re.sub(r"^date-released: .*\n", "", citation, flags=re.MULTILINE)
    return {
        VERSION: re.sub(r'"[^"]+"\n\Z', f'"{version}"\n', code),
        CITATION: re.sub(
            r"^version: .*$",
            f"version: {version}\ndate-released: {today}",
            citation,
            flags=re.MULTILINE,
        ),
        CHANGELOG: changelog.replace(heading, f"{heading}\n## {version}, {today}\n", 1),
    }


def _check(root: Path, version: str) -> None:
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise UsageError(f"found version '{version}', expected three numbers such as 0.2.0")
    code = (root / VERSION).read_text(encoding="utf-8")
    former = code.rpartition('= "')[2].strip().strip('"')
    if [*map(int, version.split("."))] <= [*map(int, former.split("."))]:
        raise UsageError(f"version {version}: expected a version above {former}")
    if _git(root, "tag", "--list", f"v{version}"):
        raise UsageError(f"the tag v{version} exists already")
    if changed := _git(root, "status", "--porcelain"):
        raise UsageError(
            f"the working tree has changes ({changed.splitlines()[0].strip()}); commit them"
        )


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RulError(f"git {words[0]}: {done.stderr.strip() or 'failed'}")
    return done.stdout


def _run(root: Path, words: Sequence[str]) -> None:
    # glob patterns are expanded here, because no shell does it
    expanded = [
        str(path) for word in words for path in (sorted(root.glob(word)) if "*" in word else [word])
    ]
    if subprocess.run(expanded, cwd=root, check=False).returncode:
        raise RulError(f"{' '.join(words)}: failed; no file was changed")


def main() -> int:
    """Release the version given on the command line."""
    parser = argparse.ArgumentParser(prog="scripts/release", description=__doc__)
    parser.add_argument("version", metavar="VERSION")
    parser.add_argument("--dry-run", action="store_true", help="only print the steps")
    options = parser.parse_args()
    try:
        done = release(ROOT, options.version, dry_run=options.dry_run)
    except RulError as error:
        print(f"scripts/release: {error}", file=sys.stderr)
        return error.exit_code
    print("would be done:" if options.dry_run else "done:", *done, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
