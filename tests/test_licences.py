"""Licences and versions of the dependencies, as the files at the top state them."""

import re

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests import licences

CONSTRAINTS = (licences.ROOT / "constraints.txt").read_text().splitlines()
PINNED = dict(line.split("==") for line in CONSTRAINTS if line and not line.startswith("#"))
LISTED = dict(
    re.findall(
        r"^\| ([a-z0-9-]+) \| (.+) \|$", (licences.ROOT / "THIRD_PARTY.md").read_text(), re.M
    )
)
LISTED.pop("distribution")
DIRECT = [(part, Requirement(text)) for part, texts in licences.project().items() for text in texts]
NAMES = [f"{part or 'package'}: {requirement.name}" for part, requirement in DIRECT]


@pytest.mark.parametrize("name", licences.installed())
def test_installed_licences_are_allowed(name):
    if licences.SEPARATE.match(name):
        pytest.skip("a CUDA library under NVIDIA's own terms, as THIRD_PARTY.md says")
    assert licences.refused(licences.licence(licences.installed()[name])) == []


def test_listed_licences_are_allowed():
    assert [text for text in LISTED.values() if licences.refused(text)] == []


@pytest.mark.parametrize(("part", "requirement"), DIRECT, ids=NAMES)
def test_direct_requirements_have_a_floor_no_ceiling_and_stand_in_the_lists(part, requirement):
    name = licences.normal(requirement.name)
    if name == "cmapss-rul":
        assert part
        return
    assert [clause.operator for clause in requirement.specifier] == [">="]
    assert name in LISTED
    assert requirement.specifier.contains(PINNED[name])


def test_the_lists_hold_the_same_names():
    assert PINNED.keys() == LISTED.keys()
    assert list(PINNED) == sorted(PINNED)


def test_everything_installed_is_listed():
    """Including indirect dependencies."""
    names = {name for name in licences.installed() if not licences.SEPARATE.match(name)}
    assert names - PINNED.keys() == set()


def test_constraints_are_versions_and_nothing_else():
    for line in CONSTRAINTS:
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)
    assert all(str(Version(version)) for version in PINNED.values())


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("MIT", []),
        ("Apache-2.0 OR BSD-2-Clause", []),
        ("MIT OR GPL-3.0-only", []),
        ("MIT AND LGPL-2.1-or-later", ["LGPL-2.1-or-later"]),
        ("GPL-3.0-or-later", ["GPL-3.0-or-later"]),
        ("AGPL-3.0-only AND BSD-3-Clause", ["AGPL-3.0-only"]),
        ("GNU Lesser General Public License v3", ["GNU Lesser General Public License v3"]),
        ("unknown", ["unknown"]),
        ("MIT/Proprietary", ["MIT/Proprietary"]),
    ],
)
def test_a_licence_that_is_not_allowed_is_found(expression, wrong):
    assert licences.refused(expression) == wrong
