"""Import order: no cycles, and no package that imports a later one.

Every import statement counts, those inside functions and under TYPE_CHECKING included.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = (
    "version",
    "system",
    "display",
    "config",
    "metrics",
    "losses",
    "balancers",
    "intervals",
    "data",
    "model",
    "training",
    "evaluation",
    "experiments",
    "reports",
    "bench",
    "cli",
)
"""In the order in which they may import each other: only those before."""

FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "cmapss_rul").rglob("*.py")
}


def imported(name: str) -> set[str]:
    """Modules of the package that a module's import statements name."""
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in FILES else str(node.module))
    return found & FILES.keys()


GRAPH = {name: imported(name) for name in FILES}


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules in a cycle and those that lead into it; none where there is no cycle."""
    left = dict(graph)
    while leaves := [name for name, others in left.items() if not others & left.keys()]:
        for name in leaves:
            del left[name]
    return sorted(left)


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_a_cycle_is_found():
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_no_import_cycles():
    assert find_cycle(GRAPH) == []


def test_no_module_imports_the_package_itself():
    """Its names are for users; modules of the package name the module that they need."""
    assert [name for name, others in GRAPH.items() if "cmapss_rul" in others] == []


def test_every_room_has_its_place():
    assert {room_of(name) for name in FILES} - {"", "__main__"} == {*ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_those_before_it(room):
    allowed = {*ROOMS[: ROOMS.index(room) + 1]}
    wrong = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        if room_of(name) == room
        for other in others
        if room_of(other) not in allowed
    ]
    assert wrong == []
