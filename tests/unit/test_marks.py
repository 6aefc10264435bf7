"""Claims and paragraphs of the protocol are shown by tests that are marked with them, and no mark leads nowhere."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claims import CLAIMS

TESTS = Path(__file__).parents[1]
PROTOCOL = TESTS.parent / "docs/protocol.md"

# Each is a promise to clients that some test has to show: routing (9.1), statuses (9.2), tokens (9.3), and so on.
PARAGRAPHS = [
    *("1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.8", "1.9", "2.2", "2.3", "2.5", "3.1", "3.2", "3.3", "3.4", "3.5"),
    *("3.7", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "7", "8"),
    *("9.1.1", "9.1.2", "9.1.3", "9.1.4", "9.1.5", "9.1.6", "9.1.7", "9.2", "9.3", "9.4", "9.5", "9.6", "9.7", "9.8"),
]


def marks(kind: str) -> Iterator[tuple[object, str]]:
    """The argument and the test of each ``@pytest.mark.<kind>(…)``."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == f"pytest.mark.{kind}":
                        yield ast.literal_eval(mark.args[0]), f"{path.relative_to(TESTS)}::{node.name}"


@pytest.mark.parametrize(("kind", "known"), [("claim", set(CLAIMS)), ("protocol", set(PARAGRAPHS))])
def test_each_is_shown_by_a_test_and_no_mark_names_another(kind: str, known: set[object]) -> None:
    marked = dict(marks(kind))
    assert known - marked.keys() == set(), "shown by no test"
    assert {argument: test for argument, test in marked.items() if argument not in known} == {}


@pytest.mark.skipif(not PROTOCOL.exists(), reason="docs/protocol.md is not written yet")
def test_every_marked_paragraph_is_in_the_protocol() -> None:
    """Points of a list count from 1 below their paragraph: 9.1.2 is the second point of 9.1."""
    text = PROTOCOL.read_text(encoding="utf-8")
    for paragraph in PARAGRAPHS:
        heading, _, point = paragraph.rpartition(".") if paragraph.count(".") == 2 else (paragraph, "", "")
        found = re.search(rf"^#+ {re.escape(heading)}[ .].*?(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
        assert found, heading
        assert not point or re.search(rf"^{point}\. ", found[0], re.MULTILINE), paragraph
