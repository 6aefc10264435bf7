"""Requests to run that are refused before anything runs."""

import json
from typing import Any, Final

from tools.record_wire.asking import NOBODY, Body, as_json
from tools.record_wire.cast import NOWHERE, Cast
from tools.record_wire.requests.results import RUN
from tools.record_wire.wire import Wire

_PLAIN: Final = "def task(g): return 1"
_NO_JSON: Final = {
    "no body": Body(b""),
    "half a body": Body(b'{"execute": '),
    "no UTF-8": Body(b'{"execute": "\xff"}'),
    "a list": as_json([]),
    "a text": as_json(_PLAIN),
    "NaN": Body(b'{"execute": "def task(g): return 1", "timeout_s": NaN}'),
    "a form": Body(b"execute=x", "application/x-www-form-urlencoded"),
    "deep": Body(json.dumps({"execute": _PLAIN, "x": None}).replace("null", "[" * 101 + "]" * 101).encode()),
}
_FIELDS: Final[tuple[tuple[str, Any], ...]] = (
    ("execute", None),
    ("execute", [_PLAIN]),
    ("engine", "spark"),
    ("engine", 1),
    ("engine", "cudf"),
    ("format", "xml"),
    ("format", None),
    ("output_type", "graph"),
    ("timeout_s", 0),
    ("timeout_s", "5"),
    ("timeout_s", True),
    ("timeout_s", 601),
    ("cpu_s", 1201),
    ("cpu_s", 0),
    ("memory_bytes", 0),
    ("memory_bytes", 1.5),
    ("memory_bytes", 2**70),
    ("scratch_bytes", -1),
    ("scratch_bytes", 2**40),
    ("result_bytes", 0),
    ("result_bytes", 2**40),
    ("result_bytes", "1MB"),
    ("run_label", 7),
    ("run_id", "short"),
    ("run_id", "A" * 32),
    ("run_id", 7),
)
_SOURCES: Final = {
    "nothing": "",
    "blanks": "   \n\t\n",
    "no task": "def other(g):\n    return 1",
    "task inside": "class A:\n    def task(g): return 1",
    "task is a number": "x = 1\ntask = 3",
    "no parameter": "import os\ndef task(): return 1",
    "two parameters": "\n\ndef task(g, h):\n    pass",
    "keyword only": "def task(*, g): return 1",
    "async": "async def task(g): return 1",
    "open bracket": "def task(g):\n    return (1,\n",
    "missing colon": "x = 1\ndef task(g)\n    return 1",
    "bad indent": "def task(g):\n    x = 1\n      y = 2\n",
    "open string": "def task(g):\n    return 'abc\n",
    "return outside": "return 1",
    "NUL": "def task(g): return 1\0",
    "indented": "    \n    def task(g):\n        return )\n",
    "of half a surrogate": "def task(g): return '\ud800'",
}


def ask(wire: Wire, cast: Cast) -> None:
    """On ``people``."""
    wire.section = "requests to run"
    at = {"dataset_id": cast.people}
    for name, sent in _NO_JSON.items():
        wire.ask(name, "POST", RUN, cast.ann, sent, at=at)
    wire.ask("nothing named", "POST", RUN, cast.ann, {}, at=at)
    for field, value in _FIELDS:
        wire.ask(f"{field} {json.dumps(value)[:20]}", "POST", RUN, cast.ann, {"execute": _PLAIN, field: value}, at=at)
    wire.ask("three things wrong", "POST", RUN, cast.ann, {"engine": 1, "format": 2, "timeout_s": "x"}, at=at)
    wire.ask("unknown fields", "POST", RUN, cast.ann, {"execute": _PLAIN, "colour": "red", "run_label": None}, at=at)
    wire.ask("source too long", "POST", RUN, cast.ann, {"execute": "#" * (1024 * 1024 + 1)}, at=at)
    wire.ask("body too long", "POST", RUN, cast.ann, Body(b" " * (8 * 1024 * 1024 + 1)), at=at)
    chunked = Body(b" " * (8 * 1024 * 1024 + 1), in_chunks_of=1024 * 1024)
    wire.ask("body too long, in chunks", "POST", RUN, cast.ann, chunked, at=at)
    for name, source in _SOURCES.items():
        sent = Body(json.dumps({"execute": source}).encode(), "application/json")
        wire.ask(f"source: {name}", "POST", RUN, cast.ann, sent, at=at)
    run_id = "0123456789abcdef" * 2
    for told in ("", " again"):
        wire.ask(f"chosen id{told}", "POST", RUN, cast.ann, {"execute": _PLAIN, "run_id": run_id}, at=at)
    wire.ask("chosen id of another's", "POST", RUN, cast.bob, {"execute": _PLAIN, "run_id": run_id}, at=at)
    for name, caller, dataset_id in (
        ("another's dataset", cast.bob, cast.people),
        ("a user's, as the administrator", cast.admin, cast.people),
        ("unknown dataset", cast.ann, NOWHERE),
        ("no id", cast.ann, "x"),
        ("without a flag", cast.cid, cast.people),
        ("nobody", NOBODY, cast.people),
    ):
        wire.ask(name, "POST", RUN, caller, {"execute": _PLAIN}, at={"dataset_id": dataset_id})
    wire.ask("GET", "GET", RUN, cast.ann, at=at)
    wire.ask("trace headers", "POST", RUN, cast.ann, {"execute": _PLAIN}, at=at, headers={"traceparent": "nonsense"})
    empty = wire.send_ok("POST", "/api/v2/upload/datasets", cast.ann, {"name": "no tables"})["data"]["dataset_id"]
    seen = {"execute": "def task(g): return [g._edges is None, g._nodes is None, g._name, g._source]"}
    wire.ask("a dataset without tables", "POST", RUN, cast.ann, seen, at={"dataset_id": str(empty)})
