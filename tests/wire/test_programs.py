# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# The functions below travel as source text, where an annotation would need its import.
"""What PyGraphistry can send to run: source text and functions of every kind, and the three ways to run them."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
import pytest
from graphistry.compute.exceptions import GFQLRemoteError

from tests.conftest import Person

pytestmark = pytest.mark.e2e

EDGES = pd.DataFrame({"src": ["a", "b", "c"], "dst": ["b", "c", "d"], "kind": ["x", "y", "x"], "w": [1, 2, 3]})


# What can be run

PROGRAMS: dict[str, tuple[str, object]] = {
    "helper function": ("def twice(x): return 2 * x\ndef task(g): return twice(21)", 42),
    "helper below": ("def task(g): return twice(21)\ndef twice(x): return 2 * x", 42),
    "constant": ("LIMIT = 2\ndef task(g): return int((g._edges['w'] >= LIMIT).sum())", 2),
    "class": (
        """
        class Counter:
            def __init__(self): self.n = 0
            def add(self, x): self.n += x

        def task(g):
            counter = Counter()
            g._edges["w"].map(counter.add)
            return counter.n
        """,
        6,
    ),
    "dataclass": (
        """
        from dataclasses import dataclass

        @dataclass
        class Point:
            x: int
            y: "int" = 2

        def task(g): return Point(1)
        """,
        {"x": 1, "y": 2},
    ),
    "recursion": ("def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\ndef task(g): return fib(15)", 610),
    "closure": (
        """
        def task(g):
            seen = []
            def walk(n):
                if n:
                    seen.append(n)
                    walk(n - 1)
            walk(3)
            return seen
        """,
        [3, 2, 1],
    ),
    "imports": ("import math, numpy as np\ndef task(g): return [math.floor(2.5), int(np.arange(4).sum())]", [2, 6]),
    "import inside": ("def task(g):\n    from collections import Counter\n    return Counter('aab')", {"a": 2, "b": 1}),
    "annotations": (
        """
        import pandas as pd
        from typing import Any
        from graphistry import Plottable

        def task(g: Plottable) -> dict[str, Any]:
            frame: pd.DataFrame = g._edges
            return {"rows": len(frame)}
        """,
        {"rows": 3},
    ),
    "future import": ("from __future__ import annotations\ndef task(g: Nowhere) -> Nothing: return 1", 1),
    "triple quotes": ("def task(g):\n    return '''one\n  two\n\nthree'''", "one\n  two\n\nthree"),
    "global": ("n = 0\ndef task(g):\n    global n\n    n += 1\n    return n", 1),
    "comprehension": ("KEEP = {'x'}\ndef task(g): return [k for k in g._edges['kind'] if k in KEEP]", ["x", "x"]),
    "async inside": ("import asyncio\nasync def late(): return 5\ndef task(g): return asyncio.run(late())", 5),
    "generator": ("def rows(g):\n    yield from g._edges['w']\ndef task(g): return list(rows(g))", [1, 2, 3]),
    "decorator": (
        """
        import functools

        def loud(function):
            @functools.wraps(function)
            def call(g): return function(g).upper()
            return call

        @loud
        def task(g): return "quiet"
        """,
        "QUIET",
    ),
    "lines end like Windows'": ("def task(g):\r\n    x = 1\r\n    return x\r\n", 1),
    "tabs": ("def task(g):\n\tif True:\n\t\treturn 1\n", 1),
    "comment first": ("# -*- coding: utf-8 -*-\n\n\ndef task(g): return 'ü'", "ü"),
    "graph methods": (
        """
        def task(g):
            counted = g.materialize_nodes().get_degrees()
            return counted._nodes["degree"].tolist()
        """,
        [1, 2, 2, 1],
    ),
    "hop": (
        """
        import pandas as pd

        def task(g):
            g = g.materialize_nodes()
            return len(g.hop(pd.DataFrame({g._node: ["a"]}), hops=2)._edges)
        """,
        2,
    ),
    "gfql": ("from graphistry import n, e_forward\ndef task(g): return len(g.gfql([n(), e_forward(), n()])._edges)", 3),
}


@pytest.fixture(scope="module")
def uploaded(client: Any) -> Any:
    return client.edges(EDGES, "src", "dst").upload()


@pytest.mark.protocol("4.3")
@pytest.mark.parametrize(("source", "expected"), PROGRAMS.values(), ids=PROGRAMS)
def test_source_text_of_every_kind_runs(uploaded: Any, source: str, expected: object) -> None:
    assert uploaded.python_remote_json(source) == expected


@pytest.mark.protocol("4.3")
@pytest.mark.parametrize("name", ["class", "recursion", "triple quotes", "annotations"])
def test_source_text_may_be_indented_as_a_whole(uploaded: Any, name: str) -> None:
    source, expected = PROGRAMS[name]
    assert uploaded.python_remote_json(textwrap.indent(source, " " * 8)) == expected


def weights_by_kind(g):
    """What ``w`` adds up to."""
    import collections

    totals: collections.Counter[str] = collections.Counter()
    for kind, weight in zip(g._edges["kind"], g._edges["w"], strict=True):
        totals[kind] += int(weight)
    return totals


def nested(g):
    class Path:
        def __init__(self, steps):
            self.steps = steps

    def walk(node, steps):
        after = g._edges.loc[g._edges["src"] == node, "dst"]
        return walk(after.iloc[0], [*steps, node]) if len(after) else Path([*steps, node])

    return walk("a", []).steps


def quoting(g):
    text = """
    kept
      as it is
"""
    return text


@pytest.mark.protocol("4.3")
def test_functions_run_as_they_are(uploaded: Any) -> None:
    assert uploaded.python_remote_json(weights_by_kind) == {"x": 4, "y": 2}
    assert uploaded.python_remote_json(nested) == ["a", "b", "c", "d"]
    assert uploaded.python_remote_json(quoting) == quoting(None)


def test_a_function_inside_another_runs(uploaded: Any) -> None:
    def heaviest(g):
        return g._edges.nlargest(1, "w")

    table = uploaded.python_remote_table(heaviest)
    pd.testing.assert_frame_equal(table, heaviest(uploaded).reset_index(drop=True))  # no index travels


def test_the_three_ways_to_run(uploaded: Any) -> None:
    graph = uploaded.python_remote_g("def task(g): return g.edges(g._edges[g._edges['w'] > 1])")
    assert graph._edges["w"].tolist() == [2, 3]
    assert uploaded.python_remote_table("def task(g): return g._edges[['w']]")["w"].tolist() == [1, 2, 3]
    assert uploaded.python_remote_json("def task(g): return None") is None


def test_a_run_may_have_a_label_and_a_token_of_its_own(uploaded: Any, alice: Person) -> None:
    source = "def task(g): return 1"
    assert uploaded.python_remote_json(source, run_label="nightly", api_token=alice.token) == 1
    with pytest.raises(GFQLRemoteError, match="401"):
        uploaded.python_remote_json(source, api_token="not.a.token")


def test_an_error_in_a_task_reaches_the_caller_with_its_type_and_text(uploaded: Any) -> None:
    with pytest.raises(GFQLRemoteError, match=r"422\): ZeroDivisionError: division by zero"):
        uploaded.python_remote_json("def task(g): return 1 / 0")
