"""The bytes of files: every type, every compression, options, and what is no table."""

from typing import Any, Final

from tools.record_wire.asking import Body
from tools.record_wire.cast import Cast
from tools.record_wire.tables import BROKEN, COMPRESSED, CSV, GOOD
from tools.record_wire.wire import Wire
from tools.record_wire.workbooks import XLS, xlsx

_UPLOAD: Final = "/api/v2/upload/files/{file_id}"
_BOOK: Final = xlsx({"one": [["s", "d", "n"], ["a", "b", 1], ["b", "c", 2.5]], "two": [["x"], ["y"]]})
_SEMICOLONS: Final = b"s;d;w;t\na;b;1,5;2024-05-01\n"

_OPTIONS: Final[dict[str, tuple[dict[str, Any], str, bytes]]] = {
    "of the file": ({"sep": ";", "decimal": ","}, "", _SEMICOLONS),
    "of the query": ({}, "sep=;&decimal=,&parse_dates=[%22t%22]", _SEMICOLONS),
    "of the query over the file's": ({"sep": "|", "decimal": ","}, "sep=;", _SEMICOLONS),
    "names": ({"names": ["x", "y"], "header": None}, "", b"a,b\nc,d\n"),
    "some columns": ({}, "usecols=s,d", CSV),
    "types": ({}, "dtype=%7B%22n%22:%22str%22%7D", CSV),
    "few rows": ({"nrows": 1}, "", CSV),
    "unknown": ({}, "colour=red", CSV),
    "refused": ({}, "chunksize=3", CSV),
    "refused too": ({"converters": {}}, "", CSV),
    "wrong": ({}, "header=many", CSV),
    "no such column": ({}, "usecols=s,nothing", CSV),
    "regular expression": ({}, "sep=(a|b)%2B", CSV),
    "wrong encoding": ({}, "encoding=klingon", CSV),
    "infer": ({"compression": "infer"}, "", COMPRESSED["gzip"]),
}
"""Options of the file, the query, the bytes."""


def ask(wire: Wire, cast: Cast) -> None:
    """Ann's."""
    wire.section = "uploads"
    for name, (kind, content) in GOOD.items():
        _upload(wire, cast, name, {"file_type": kind}, content)
    for name, content in COMPRESSED.items():
        _upload(wire, cast, f"csv with {name}", {"file_type": "csv", "file_compression": name}, content)
    _upload(wire, cast, "csv that was to be gzip", {"file_type": "csv", "file_compression": "gzip"}, CSV)
    _upload(wire, cast, "csv with xz as bz2", {"file_type": "csv", "file_compression": "bz2"}, COMPRESSED["xz"])
    _upload(wire, cast, "xlsx", {"file_type": "xlsx"}, _BOOK)
    _upload(wire, cast, "xlsx, second sheet", {"file_type": "xlsx", "parser_options": {"sheet_name": "two"}}, _BOOK)
    _upload(wire, cast, "xlsx, no such sheet", {"file_type": "xlsx", "parser_options": {"sheet_name": "no"}}, _BOOK)
    _upload(wire, cast, "xls", {"file_type": "xls"}, XLS)
    _upload(wire, cast, "csv as xlsx", {"file_type": "xlsx"}, CSV)
    _upload(wire, cast, "csv as xls", {"file_type": "xls"}, CSV)
    for name, (kind, content) in BROKEN.items():
        _upload(wire, cast, name, {"file_type": kind}, content, "erase=true")
    for name, (options, query, content) in _OPTIONS.items():
        _upload(wire, cast, f"options {name}", {"file_type": "csv", "parser_options": options}, content, query)
    _upload(wire, cast, "option of no arrow", {"file_type": "arrow"}, GOOD["arrow file"][1], "sep=;")
    _ways(wire, cast)


def _ways(wire: Wire, cast: Cast) -> None:
    """Ways of sending the same."""
    content = GOOD["arrow file"][1]
    at = {"file_id": _declared(wire, cast, {"file_type": "arrow", "name": "again"})}
    chunked = Body(content, in_chunks_of=100)
    wire.ask("in chunks", "POST", _UPLOAD, cast.ann, chunked, at=at)
    wire.ask("in chunks, slash, again", "POST", f"{_UPLOAD}/", cast.ann, chunked, at=at, query="erase=true")
    for kind in ("application/json", "multipart/form-data", "text/html", "application/octet-stream"):
        wire.ask(f"as {kind}", "POST", _UPLOAD, cast.ann, Body(content, kind), at=at)
    wire.ask("broken over good", "POST", _UPLOAD, cast.ann, Body(b"no"), at=at)
    wire.ask("after broken over good", "GET", "/api/v2/files/{file_id}", cast.ann, at=at)
    wire.ask("without a body", "POST", _UPLOAD, cast.ann, at=at)


def _upload(wire: Wire, cast: Cast, name: str, declared: dict[str, Any], content: bytes, query: str = "") -> None:
    at = {"file_id": _declared(wire, cast, {"name": name, **declared})}
    wire.ask(name, "POST", _UPLOAD, cast.ann, Body(content), at=at, query=query)


def _declared(wire: Wire, cast: Cast, body: dict[str, Any]) -> str:
    return str(wire.send_ok("POST", "/api/v2/files", cast.ann, body)["file_id"])
