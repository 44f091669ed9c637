"""The order of the rooms: a room stands above all that it imports, and no two modules import each other."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "bulksend"

ROOMS = [
    "cli",
    "web",
    "jobs",
    "metrics",
    "forecast",
    "campaign",
    "entry",
    "sender",
    "queries",
    "results",
    "plan",
    "target",
    "dispatch",
    "ratelimit",
    "validation",
    "template",
    "sheet",
    "sandbox",
    "journal",
    "portal",
    "schedule",
    "folders",
    "errors",
    "locale",
]
"""From the top to the bottom; CONTRIBUTING.md draws the same order."""

AT_THE_ROOT = {
    "__init__",
    "__main__",
    "campaign",
    "forecast",
    "errors",
    "folders",
    "plan",
    "results",
    "target",
}


def _modules() -> dict[str, Path]:
    return {
        ".".join(("bulksend", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


def _imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a module imports: on top, in functions, and for types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= inner & known.keys()
            if not inner <= known.keys():
                found.add(node.module)
    return found & known.keys()


MODULES = _modules()
IMPORTS = {name: _imports(path, MODULES) - {name} for name, path in MODULES.items()}


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_the_root_holds_the_campaign_and_nothing_loose() -> None:
    """What is no part of a campaign's own story lies in a room."""
    assert {path.stem for path in PACKAGE.glob("*.py")} == AT_THE_ROOT


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_imports_upwards(room: str) -> None:
    """A room imports only rooms below it."""
    below = {*ROOMS[ROOMS.index(room) :], ""}
    upwards = {
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        if _room(module) == room
        for other in others
        if _room(other) not in below
    }
    assert upwards == set()


def test_every_room_has_its_place() -> None:
    """A new room is given its place in the order."""
    assert {_room(module) for module in MODULES} == {*ROOMS, "", "__main__"}


def test_no_modules_import_each_other() -> None:
    """Not even within a room, and not by imports inside functions."""
    graph = {module: others - {"bulksend"} for module, others in IMPORTS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a cycle: {' -> '.join(error.args[1])}")


def test_contributing_draws_the_rooms_in_this_order() -> None:
    """Whoever reads CONTRIBUTING.md sees the rooms as they are."""
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = text.split("```text\n")[1].split("```")[0]
    assert re.findall(r"(?:^|  )(\w+)/?  ", picture, re.MULTILINE) == ROOMS
