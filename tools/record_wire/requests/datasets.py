"""Datasets: made in one step or in two, shown, listed, deleted."""

from typing import Any, Final

from tools.record_wire.asking import Body, as_json
from tools.record_wire.cast import NOWHERE, Cast
from tools.record_wire.tables import ARROW, BROKEN, CSV, GOOD, NODES, arrow
from tools.record_wire.wire import Wire

_MAKE: Final = "/api/v2/upload/datasets"
_DESCRIBED: Final = f"{_MAKE}/{{dataset_id}}"
_ATTACH: Final = f"{_DESCRIBED}/{{role}}/{{file_type}}"
_LIST: Final = "/api/v2/datasets"
_ONE: Final = f"{_LIST}/{{dataset_id}}"
_EDGES: Final[dict[str, Any]] = {"edge_encodings": {"bindings": {"source": "s", "destination": "d"}}}
_WHOLE: Final[dict[str, Any]] = {
    "node_encodings": {"bindings": {"node": "id", "node_color": "c"}, "complex": {"default": {}}},
    **_EDGES,
    "metadata": {"agent": "pygraphistry", "agentversion": "0.61", "usertag": "t", "bg": {"color": "red"}},
    "name": "näme",
    "description": "a <b>description</b>",
    "something_new": [1, None],
}
_REFUSED: Final[dict[str, Any]] = {
    "encodings are a number": {"node_encodings": 3},
    "bindings are a list": {"edge_encodings": {"bindings": []}},
    "metadata is a text": {"metadata": "x"},
    "name is a number": {"name": 1},
    "files are a text": {"edge_files": "x"},
    "file is an object": {"edge_files": [{}]},
    "file index": {"edge_files": [[NOWHERE, 7]]},
    "unknown file": {"edge_files": [NOWHERE]},
    "unknown file in a list": {"node_files": [[NOWHERE, 0]]},
    "too many files": {"edge_files": [NOWHERE] * 101},
    "unknown organization": {"org_name": "nowhere"},
    "another organization": {"org_name": "shop"},
    "another user": {"org_name": "bob"},
}


def ask(wire: Wire, cast: Cast) -> None:
    """Ann's; ``people`` and ``lone`` are for those after this."""
    wire.section = "datasets"
    wire.ask("none yet", "GET", _LIST, cast.ann)
    _made_in_two_steps(wire, cast)
    _made_of_files(wire, cast)
    for name, body in _REFUSED.items():
        wire.ask(f"make: {name}", "POST", _MAKE, cast.ann, body)
    for name, sent in (("no JSON", Body(b"{")), ("a list", as_json([])), ("empty", Body(b""))):
        wire.ask(f"make: {name}", "POST", _MAKE, cast.ann, sent)
    _shown(wire, cast)
    _deleted(wire, cast)


def _made_in_two_steps(wire: Wire, cast: Cast) -> None:
    ann = cast.ann
    cast.people = wire.ask("make people", "POST", _MAKE, ann, _WHOLE).json()["data"]["dataset_id"]
    cast.lone = wire.ask("make/ lone", "POST", f"{_MAKE}/", ann, {**_EDGES, "name": "lone"}).json()["data"][
        "dataset_id"
    ]
    for name, little in (
        ("nothing", {}),
        ("nulls", {"name": None, "edge_files": []}),
        ("for the lab", {"org_name": "lab"}),
    ):
        wire.ask(f"make with {name}", "POST", _MAKE, ann, little)
    people, lone = {"dataset_id": cast.people}, {"dataset_id": cast.lone}
    at = {**people, "role": "edges", "file_type": "arrow"}
    wire.ask("attach edges", "POST", _ATTACH, ann, Body(ARROW), at=at)
    nodes = {**people, "role": "nodes", "file_type": "arrow"}
    wire.ask("attach nodes/ in chunks", "POST", f"{_ATTACH}/", ann, Body(arrow(NODES), in_chunks_of=64), at=nodes)
    for name, (kind, content) in GOOD.items():
        wire.ask(f"attach {name}", "POST", _ATTACH, ann, Body(content), at={**lone, "role": "edges", "file_type": kind})
    wire.ask("attach csv with options", "POST", _ATTACH, ann, Body(b"s;d\na;b\n"),
             at={**lone, "role": "edges", "file_type": "csv"}, query="sep=;")  # fmt: skip
    for name in ("empty csv", "ragged csv", "half an arrow file", "empty json", "csv as orc", "half a parquet"):
        kind, content = BROKEN[name]
        wire.ask(f"attach {name}", "POST", _ATTACH, ann, Body(content), at={**lone, "role": "edges", "file_type": kind})
    for role, kind in (("vertices", "csv"), ("edges", "xlsx"), ("edges", "exe"), ("EDGES", "csv")):
        at = {**lone, "role": role, "file_type": kind}
        wire.ask(f"attach {role}/{kind}", "POST", _ATTACH, ann, Body(CSV), at=at)
    for name, caller, dataset_id in (
        ("of another", cast.bob, cast.lone),
        ("of a user, as the administrator", cast.admin, cast.lone),
        ("of nobody", ann, NOWHERE),
        ("no id", ann, "x"),
    ):
        at = {"dataset_id": dataset_id, "role": "edges", "file_type": "csv"}
        wire.ask(f"attach: {name}", "POST", _ATTACH, caller, Body(CSV), at=at)
    wire.ask("attach for good", "POST", _ATTACH, ann, Body(ARROW), at={**lone, "role": "edges", "file_type": "arrow"})


def _made_of_files(wire: Wire, cast: Cast) -> None:
    ids = []
    for name, content in (("a", b"s,d,w\na,b,1\n"), ("b", b"d,s\nc,b\n"), ("empty", None)):
        file_id = wire.send_ok("POST", "/api/v2/files", cast.ann, {"file_type": "csv", "name": name})["file_id"]
        ids.append(file_id)
        if content is not None:
            wire.send_ok("POST", "/api/v2/upload/files/{file_id}", cast.ann, Body(content), at={"file_id": file_id})
    for name, body in (
        ("one file", {**_EDGES, "edge_files": [ids[0]], "node_files": []}),
        ("two files", {**_EDGES, "edge_files": [ids[0], [ids[1], 0]], "name": "two"}),
        ("a file without bytes", {**_EDGES, "edge_files": [ids[2]]}),
    ):
        wire.ask(f"make of {name}", "POST", _MAKE, cast.ann, body)
    wire.ask("make of another's file", "POST", _MAKE, cast.bob, {"edge_files": [ids[0]]})


def _shown(wire: Wire, cast: Cast) -> None:
    at = {"dataset_id": cast.people}
    for name, path in (("get", _ONE), ("describe", _DESCRIBED)):
        wire.ask(name, "GET", path, cast.ann, at=at)
        wire.ask(f"{name}/", "GET", f"{path}/", cast.ann, at=at)
        wire.ask(f"{name}, HEAD", "HEAD", path, cast.ann, at=at)
        for caller in (cast.bob, cast.admin):
            wire.ask(f"{name} as {caller.name}", "GET", path, caller, at=at)
        for told, other in (("unknown", NOWHERE), ("no id", "x"), ("dots", "../../etc/passwd"), ("capitals", "A" * 32)):
            wire.ask(f"{name}: {told}", "GET", path, cast.ann, at={"dataset_id": other})
    for query in (
        "limit=2",
        "limit=2&offset=2",
        "search=l%C3%B6ne",
        "search=LONE",
        "search=%25",
        f"search={cast.people}",
    ):
        wire.ask(f"list, {'one by id' if cast.people in query else query}", "GET", _LIST, cast.ann, query=query)
    for query in ("offset=-1", "limit=99999999999999999999", "limit=x&offset=y"):
        wire.ask(f"list, {query}", "GET", f"{_LIST}/", cast.ann, query=query)
    wire.ask("list of another", "GET", _LIST, cast.bob)


def _deleted(wire: Wire, cast: Cast) -> None:
    made = wire.send_ok("POST", _MAKE, cast.ann, {"name": "short-lived"})["data"]["dataset_id"]
    at = {"dataset_id": made}
    wire.ask("delete as another", "DELETE", _ONE, cast.bob, at=at)
    wire.ask("delete as the administrator", "DELETE", _ONE, cast.admin, at=at)
    wire.ask("delete", "DELETE", _ONE, cast.ann, at=at)
    wire.ask("delete again", "DELETE", f"{_ONE}/", cast.ann, at=at)
    wire.ask("get what was deleted", "GET", _ONE, cast.ann, at=at)
    wire.ask("run on what was deleted", "POST", f"{_ONE}/python", cast.ann, {"execute": "def task(g): return 1"}, at=at)
