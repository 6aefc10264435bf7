"""The import graph of this repository, read from its source: no module is imported for it."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[3]
TOPS = ("auth", "catalog", "deployments", "runtime")

Graph: TypeAlias = Mapping[str, frozenset[str]]
"""A name, and the names that it imports."""


def modules() -> Graph:
    """Return every module of the server with the modules of the server that it imports, wherever in its file it does.

    Imports inside functions and under ``TYPE_CHECKING`` count: a reader follows them too.
    """
    files = {_name(path): path for top in TOPS for path in (ROOT / top).rglob("*.py")}
    return {name: frozenset(_imported(name, path, files)) - {name} for name, path in files.items()}


def rooms(graph: Graph, folder: str) -> Graph:
    """Return what lies directly in ``folder`` (packages whole, modules one by one), each with what it imports there."""
    found: dict[str, set[str]] = {}
    for name, imported in graph.items():
        room = _room(name, folder)
        if room is not None:
            others = {_room(other, folder) for other in imported} - {room, None}
            found.setdefault(room, set()).update(other for other in others if other is not None)
    return {room: frozenset(others) for room, others in found.items()}


def circle(graph: Graph) -> list[str]:
    """Return one circle of the graph as the names along it, the first name again at the end; empty if there is none."""
    finished: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in finished:
            return []
        for other in sorted(graph.get(name, ())):
            found = walk(other, [*way, name])
            if found:
                return found
        finished.add(name)
        return []

    for name in sorted(graph):
        found = walk(name, [])
        if found:
            return found
    return []


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _room(name: str, folder: str) -> str | None:
    if not name.startswith(f"{folder}."):
        return None
    return f"{folder}.{name.removeprefix(f'{folder}.').partition('.')[0]}"


def _imported(name: str, path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, f"{name} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known:
                    yield inner
                elif node.module in known:
                    yield node.module
