"""Which part of the server may import which: the arrows that docs/architecture.md draws."""

import pytest

from tests.unit.structure.imports import circle, modules, rooms

GRAPH = modules()

MAY_IMPORT = {
    "catalog": {"catalog"},
    "auth": {"auth", "catalog"},
    "runtime": {"runtime", "catalog"},
    "deployments": {"deployments", "runtime", "auth", "catalog"},
}

FOLDERS = sorted({name.rpartition(".")[0] for name in GRAPH if "." in name})

MAY_NOT_IMPORT = [
    ("runtime.sandbox.host", "runtime.sandbox.guest"),  # the host never runs what it distrusts
    ("runtime.sandbox.guest", "runtime.sandbox.host"),  # and every run pays for what a guest imports
    ("runtime.datasets", "runtime.sandbox"),
    ("runtime.datasets", "runtime.engines"),
    ("runtime.results", "runtime.sandbox"),
    ("runtime.sandbox", "runtime.engines"),
    ("deployments.runner", "deployments.ingress"),
    ("deployments.ingress", "deployments.runner"),
    ("deployments.calls", "deployments.ingress"),
    ("deployments.calls", "deployments.runner"),
    ("deployments.replica", "deployments.launch"),
    ("deployments.launch", "deployments.ingress"),
    ("deployments.launch", "deployments.runner"),
    ("deployments.ingress", "deployments.cli"),
]


@pytest.mark.parametrize("top", MAY_IMPORT)
def test_a_top_level_package_imports_only_those_below_it(top: str) -> None:
    wrong = [
        f"{name} imports {other}"
        for name, imported in sorted(GRAPH.items())
        if name.partition(".")[0] == top
        for other in sorted(imported)
        if other.partition(".")[0] not in MAY_IMPORT[top]
    ]
    assert wrong == []


@pytest.mark.parametrize(("one", "other"), MAY_NOT_IMPORT)
def test_one_side_of_a_boundary_imports_nothing_of_the_other(one: str, other: str) -> None:
    assert any(name.startswith(f"{one}.") for name in GRAPH), f"{one} is not there any more"
    wrong = [
        f"{name} imports {imported}"
        for name in sorted(GRAPH)
        if name == one or name.startswith(f"{one}.")
        for imported in sorted(GRAPH[name])
        if imported == other or imported.startswith(f"{other}.")
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(GRAPH) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_rooms_of_a_folder_import_each_other_in_a_circle(folder: str) -> None:
    assert circle(rooms(GRAPH, folder)) == []


def test_a_circle_is_found() -> None:
    graph = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"b"}), "d": frozenset[str]()}
    assert circle(graph) == ["b", "c", "b"]


def test_rooms_are_what_lies_directly_in_a_folder() -> None:
    graph = {"x.a.one": frozenset({"x.b", "x.a.two", "y"}), "x.a.two": frozenset[str](), "x.b": frozenset[str]()}
    assert rooms(graph, "x") == {"x.a": frozenset({"x.b"}), "x.b": frozenset()}
