"""Files: declared, described, changed, deleted."""

from typing import Any, Final

from tools.record_wire.asking import Body, as_form, as_json
from tools.record_wire.cast import NOWHERE, Cast
from tools.record_wire.tables import CSV
from tools.record_wire.wire import Wire

_FILES: Final = "/api/v2/files"
_FILE: Final = f"{_FILES}/{{file_id}}"
_UPLOAD: Final = "/api/v2/upload/files/{file_id}"
_REFUSED: Final[dict[str, Any]] = {
    "nothing": {},
    "unknown type": {"file_type": "exe"},
    "type is a number": {"file_type": 1},
    "unknown compression": {"file_type": "csv", "file_compression": "rar"},
    "name is a number": {"file_type": "csv", "name": 1},
    "options are a list": {"file_type": "csv", "parser_options": []},
    "transforms": {"file_type": "csv", "sql_transforms": ["select 1"]},
    "two things wrong": {"file_type": "exe", "name": 1},
}
_CHANGES: Final[dict[str, Any]] = {
    "name": {"name": "renamed"},
    "nothing": {},
    "unknown key": {"colour": "red"},
    "empty description": {"description": None},
    "options": {"parser_options": {"sep": ";"}},
    "no options": {"parser_options": None},
    "name is a number": {"name": 1},
    "transforms": {"sql_transforms": ["select 1"]},
    "type stays": {"file_type": "json"},
}


def ask(wire: Wire, cast: Cast) -> None:
    """Ann's."""
    wire.section = "files"
    ann = cast.ann
    wire.ask("none yet", "GET", _FILES, ann)
    body = {"file_type": "csv", "name": "first", "description": "d", "parser_options": {"sep": ","}}
    more = {"agent_name": "pygraphistry", "agent_version": "0.61", "org_name": "lab", "colour": "red"}
    file_id = wire.ask("declare", "POST", _FILES, ann, {**body, **more}).json()["file_id"]
    wire.ask("declare/ with little", "POST", f"{_FILES}/", ann, {"file_type": "arrow"})
    wire.ask("declare with nulls", "POST", _FILES, ann, {"file_type": "json", "file_compression": None, "name": None})
    for name, refused in _REFUSED.items():
        wire.ask(f"declare: {name}", "POST", _FILES, ann, refused)
    for name, sent in (("form", as_form(file_type="csv")), ("list", as_json([])), ("empty", Body(b""))):
        wire.ask(f"declare: {name}", "POST", _FILES, ann, sent)
    at = {"file_id": file_id}
    wire.ask("get", "GET", _FILE, ann, at=at)
    wire.ask("get/", "GET", f"{_FILE}/", ann, at=at)
    wire.ask("HEAD", "HEAD", _FILE, ann, at=at)
    for caller in (cast.bob, cast.admin):
        who = caller.name
        wire.ask(f"get as {who}", "GET", _FILE, caller, at=at)
        wire.ask(f"change as {who}", "PATCH", _FILE, caller, {"name": "x"}, at=at)
        wire.ask(f"delete as {who}", "DELETE", _FILE, caller, at=at)
        wire.ask(f"upload as {who}", "POST", _UPLOAD, caller, Body(CSV), at=at)
    for name, other in (("unknown", NOWHERE), ("no id", "x"), ("a path", "../x"), ("long", "x" * 300)):
        for method in ("GET", "PATCH", "DELETE"):
            wire.ask(f"{method}: {name}", method, _FILE, ann, {} if method == "PATCH" else None, at={"file_id": other})
        wire.ask(f"upload: {name}", "POST", _UPLOAD, ann, Body(CSV), at={"file_id": other})
    for name, change in _CHANGES.items():
        wire.ask(f"change: {name}", "PATCH", _FILE, ann, change, at=at)
    wire.ask("change: no JSON", "PATCH", f"{_FILE}/", ann, Body(b"{"), at=at)
    wire.ask("change: a list", "PATCH", _FILE, ann, as_json([]), at=at)
    for query in ("limit=2", "limit=1&offset=1", "limit=0", "offset=100", "limit=5000", "limit=2&offset=2&x=1"):
        wire.ask(f"list, {query}", "GET", _FILES, ann, query=query)
    for query in ("limit=many", "limit=-1", "offset=1.5", "limit=", "offset=999999999999", "limit=%D9%A3"):
        wire.ask(f"list, {query}", "GET", f"{_FILES}/", ann, query=query)
    wire.ask("list of another", "GET", _FILES, cast.bob)
    wire.ask("delete", "DELETE", _FILE, ann, at=at)
    wire.ask("delete again", "DELETE", f"{_FILE}/", ann, at=at)
    wire.ask("get what was deleted", "GET", _FILE, ann, at=at)
