"""Licences of all installed dependencies of this package and its extras.

python -m tests.licences              prints the table of THIRD_PARTY.md
python -m tests.licences --versions   prints the lines of constraints.txt
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause",
    "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense",
    "Zlib",
}  # fmt: skip
"""SPDX names; MPL-2.0 is for use unmodified, MIT-CMU is Pillow's MIT with a clause on names, MIT-0
is MIT without the duty to name its authors."""

UNSPOKEN = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License v2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Words of older metadata."""

UNSTATED = {"huey": "MIT", "skops": "MIT"}
"""Licences that only the licence file names, not the metadata."""

SEPARATE = re.compile("nvidia-|cuda-")
"""CUDA libraries under NVIDIA's own terms, which torch of PyPI pulls in on Linux."""


def project() -> dict[str, list[str]]:
    """Requirements of the package (key '') and of each extra."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {"": table["dependencies"], **table["optional-dependencies"]}


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> dict[str, metadata.Distribution]:
    """Every distribution that the package or an extra needs, direct or not, if it is there."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(Requirement(text), "") for part in project().values() for text in part]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        key = (normal(requirement.name), frozenset(requirement.extras))
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if not needed or key in seen or key[0] == "cmapss-rul":
            continue
        seen.add(key)
        try:
            found[key[0]] = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            continue
        for text in found[key[0]].requires or []:
            waiting += [(Requirement(text), extra) for extra in ("", *requirement.extras)]
    return dict(sorted(found.items()))


def licence(distribution: metadata.Distribution) -> str:
    """SPDX expression of a distribution, translated where its metadata are older than that."""
    fields = distribution.metadata
    if expression := fields.get("License-Expression"):
        return str(expression)
    if fields.get("License") in ALLOWED:  # a name of SPDX says more than a classifier
        return str(fields["License"])
    classes = [text.rpartition(" :: ")[2] for text in fields.get_all("Classifier") or []
               if text.startswith("License :: ") and not text.endswith("OSI Approved")]  # fmt: skip
    if not classes and distribution.name in UNSTATED:
        return UNSTATED[distribution.name]
    words = classes or [(fields.get("License") or "unknown").splitlines()[0]]
    return " AND ".join(dict.fromkeys(UNSPOKEN.get(word, word) for word in words))


def refused(expression: str) -> list[str]:
    """Parts of an expression that are not allowed; of alternatives one has to be.

    >>> refused("(MIT OR GPL-2.0-only) AND BSD-3-Clause AND LGPL-3.0-only")
    ['LGPL-3.0-only']
    """
    parts = expression.replace("(", "").replace(")", "").split(" AND ")
    return [part for part in parts if not ALLOWED & set(part.split(" OR "))]


def rows() -> Iterator[str]:
    """The rows of the table in THIRD_PARTY.md."""
    for name, distribution in installed().items():
        yield f"| {name} | {licence(distribution)} |"


def versions() -> Iterator[str]:
    """The lines of constraints.txt; `+cpu` is a build, not a version."""
    for name, distribution in installed().items():
        yield f"{name}=={distribution.version.partition('+')[0]}"


if __name__ == "__main__":
    print("\n".join(versions() if sys.argv[1:] == ["--versions"] else rows()))  # noqa: T201
