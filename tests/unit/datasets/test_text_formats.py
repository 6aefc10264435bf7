"""Graphs and pages as text are told from headers of CSV that begin like them."""

from collections.abc import Callable
from typing import Any

import pytest

from runtime.errors import InvalidTable

Upload = Callable[..., Any]


@pytest.mark.parametrize(
    "name",
    [
        *("graph [m]", "Graph[0]", "graph [a [b]]", "graph {m}", "digraph {a}", "strict graph {k}"),
        *("*Network", "*vertices", "<5 html", "[{x}]", "[[a]]"),
    ],
)
def test_a_header_may_begin_like_a_graph(upload: Upload, name: str) -> None:
    assert upload(f"{name},x\n1,2\n".encode(), "csv").table.to_pydict() == {name: [1], "x": [2]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("graph [\n  node [ id 1 ]\n]\n", "is GML"),
        ('Creator "x"\ngraph\n[\n node [ id 1 ] ]\n', "is GML"),
        ("graph [ node [ id 1 ] node [ id 2 ] ]\n", "is GML"),
        ("graph { a -- b }", "is DOT"),
        ("digraph G {a->b; b->c}\n", "is DOT"),
        ('strict digraph "x y" { a->b }\n// end\n', "is DOT"),
        ("graph {a--b}\ngraph {c--d}\n", "is DOT"),
        ("*Network friends\n*Vertices 3\n", "is a Pajek file"),
        ("[[1,2]]", "is JSON"),
    ],
)
def test_a_graph_is_no_table(upload: Upload, content: str, words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(content.encode(), "csv")
