"""Requests to run that are refused before anything runs, and source text without a task."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Person
from tests.wire.errors import assert_error

pytestmark = pytest.mark.e2e

PLAIN = "def task(g): return 1"


RUN_BODIES = [
    ("no body", b""),
    ("half a body", b'{"execute": '),
    ("not UTF-8", b'{"execute": "\xff"}'),
    ("a list", b"[]"),
    ("a string", b'"def task(g): return 1"'),
    ("no source", b"{}"),
    ("source is null", b'{"execute": null}'),
    ("source is a list", b'{"execute": ["def task(g): return 1"]}'),
    ("NaN is not JSON", b'{"execute": "def task(g): return 1", "timeout_s": NaN}'),
]


@pytest.mark.protocol("4.2")
@pytest.mark.parametrize("content", [row[1] for row in RUN_BODIES], ids=[row[0] for row in RUN_BODIES])
def test_a_body_that_is_no_run_request_is_refused(alice: Person, people: str, content: bytes) -> None:
    assert_error(alice.http.post(f"/api/v2/datasets/{people}/python", content=content), 400, "InvalidRequest")


RUN_FIELDS: list[tuple[str, Any]] = [
    ("engine", "spark"),
    ("engine", 1),
    ("format", "xml"),
    ("format", None),
    ("output_type", "graph"),
    ("timeout_s", 0),
    ("timeout_s", -1),
    ("timeout_s", "5"),
    ("timeout_s", True),
    ("timeout_s", 1e9),
    ("memory_bytes", 0),
    ("memory_bytes", 1.5),
    ("memory_bytes", 2**70),
    ("scratch_bytes", -1),
    ("scratch_bytes", 2**40),
    ("result_bytes", 0),
    ("result_bytes", 2**40),
    ("result_bytes", "1MB"),
    ("execute", "#" * (1024 * 1024 + 1)),
]


@pytest.mark.protocol("4.2")
@pytest.mark.parametrize(("field", "value"), RUN_FIELDS, ids=[f"{name}={str(value)[:9]}" for name, value in RUN_FIELDS])
def test_a_field_that_is_wrong_is_named(alice: Person, people: str, field: str, value: object) -> None:
    body = {"execute": PLAIN, field: value}
    answer = alice.http.post(f"/api/v2/datasets/{people}/python", content=json.dumps(body))
    assert field in assert_error(answer, 400, "InvalidRequest")["error"]


@pytest.mark.protocol("4.2")
def test_unknown_fields_are_ignored(alice: Person, people: str) -> None:
    assert alice.run(people, PLAIN, colour="red", run_label=None).json() == 1


def test_an_engine_that_is_not_here_is_unavailable(alice: Person, people: str) -> None:
    body = assert_error(alice.run(people, PLAIN, engine="cudf"), 422, "EngineUnavailable")
    assert body["engine"] == "cudf"
    assert '"engine": "pandas"' in body["error"]


SOURCES = [
    ("nothing", "", 1, None, "no function named task"),
    ("blanks", "   \n\t\n", 1, None, "no function named task"),
    ("no task", "def other(g):\n    return 1", 1, None, "no function named task"),
    ("task inside", "class A:\n    def task(g): return 1", 1, None, "no function named task"),
    ("task is a number", "x = 1\ntask = 3", 1, None, "of type int"),
    ("no parameter", "import os\ndef task(): return 1", 2, "def task(): return 1", "exactly one argument"),
    ("two parameters", "\n\ndef task(g, h):\n    pass", 3, "def task(g, h):", "task(g, h)"),
    ("keyword only", "def task(*, g): return 1", 1, "def task(*, g): return 1", "exactly one argument"),
    ("async", "async def task(g): return 1", 1, "async def task(g): return 1", "asyncio.run"),
]


@pytest.mark.protocol("4.3")
@pytest.mark.parametrize(
    ("source", "line", "text", "said"), [row[1:] for row in SOURCES], ids=[row[0] for row in SOURCES]
)
def test_source_without_a_task_is_refused(
    alice: Person, people: str, source: str, line: int, text: str | None, said: str
) -> None:
    body = assert_error(alice.run(people, source), 400, "InvalidSource")
    assert said in body["error"]
    assert body["line"] == line
    if text is not None:
        assert body["text"] == text


SYNTAX = [
    ("open bracket", "def task(g):\n    return (1,\n", 2, 12, "    return (1,"),
    ("missing colon", "x = 1\ndef task(g)\n    return 1", 2, 12, "def task(g)"),
    ("bad indent", "def task(g):\n    x = 1\n      y = 2\n", 3, 6, "      y = 2"),
    ("open string", "def task(g):\n    return 'abc\n", 2, 12, "    return 'abc"),
    ("return outside", "return 1", 1, 1, "return 1"),
    ("NUL", "def task(g): return 1\0", 1, 22, "def task(g): return 1\0"),
    ("indented by the client", "    \n    def task(g):\n        return )\n", 3, 12, "    return )"),
]


@pytest.mark.protocol("4.7")
@pytest.mark.parametrize(
    ("source", "line", "column", "text"), [row[1:] for row in SYNTAX], ids=[row[0] for row in SYNTAX]
)
def test_source_that_does_not_compile_is_shown_where(
    alice: Person, people: str, source: str, line: int, column: int, text: str
) -> None:
    body = assert_error(alice.run(people, source), 400, "InvalidSource")
    assert (body["line"], body["column"], body["text"]) == (line, column, text)
    assert body["exception_type"] in ("SyntaxError", "IndentationError")
