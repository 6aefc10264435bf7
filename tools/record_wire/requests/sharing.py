"""Share links, and what those may do with whom a dataset is shared."""

from typing import Any, Final

from tools.record_wire.asking import NOBODY, Body, Caller, as_json
from tools.record_wire.cast import NOWHERE, WORDS, Cast
from tools.record_wire.tables import CSV
from tools.record_wire.wire import Wire

_SHARE: Final = "/api/v2/share/link"
_HELD: Final = f"{_SHARE}/{{dataset_id}}"
_ONE: Final = "/api/v2/datasets/{dataset_id}"
_ATTACH: Final = "/api/v2/upload/datasets/{dataset_id}/{role}/{file_type}"
_REFUSED: Final[dict[str, Any]] = {
    "unknown mode": {"mode": "secret"},
    "unknown action": {"mode": "private", "mode_action": "40"},
    "action is a list": {"mode_action": []},
    "unknown kind": {"obj_type": "file"},
    "invited are a text": {"invited_users": "bob"},
    "no name": {"invited_users": ["a b"]},
    "no address": {"invited_users": [{"email": "@"}]},
    "unknown action of one": {"invited_users": [{"email": "bob", "action": "99"}]},
    "too many": {"invited_users": ["bob"] * 1001},
    "long message": {"message": "x" * 10_001},
    "two things wrong": {"mode": "secret", "obj_type": "file"},
}


def ask(wire: Wire, cast: Cast) -> None:
    """Of two datasets of ann's: one that belongs to the lab, and ``lone``, which stays private at the end."""
    wire.section = "sharing"
    body = {"name": "shared", "org_name": "lab", "edge_encodings": {"bindings": {"source": "s", "destination": "d"}}}
    shared = str(wire.send_ok("POST", "/api/v2/upload/datasets", cast.ann, body)["data"]["dataset_id"])
    at = {"dataset_id": shared, "role": "edges", "file_type": "csv"}
    wire.send_ok("POST", _ATTACH, cast.ann, Body(CSV), at=at)
    dot = str(wire.send_ok("POST", "/api-token-auth", body={"username": "dot", "password": WORDS})["token"])
    callers = (cast.bob, cast.cid, Caller.bearing("dot", dot), cast.admin, NOBODY)
    wire.ask("held before", "GET", _HELD, cast.ann, at={"dataset_id": shared})
    invited = [{"email": "dot", "action": "20"}, "bob", {"email": "Some.One@Example.org", "action": 30}]
    for name, asked in (
        ("nothing but its id", {}),
        ("invited", {"mode": "private", "invited_users": invited, "message": "hello", "notify": True}),
        ("with the organization", {"mode": "organization", "mode_action": "20"}),
        ("with the organization, all may share", {"mode": "organization", "mode_action": 30, "colour": "red"}),
        ("public", {"mode": "public", "mode_action": "30"}),
    ):
        wire.ask(f"set: {name}", "POST", _SHARE, cast.ann, {"obj_pk": shared, **asked})
        for caller in callers:
            _used(wire, f"{name}, as {caller.name}", caller, shared)
    _refused(wire, cast, shared)
    wire.ask("set/: private again", "POST", f"{_SHARE}/", cast.ann, {"obj_pk": shared, "obj_type": "dataset"})
    wire.ask("held/ at the end", "GET", f"{_HELD}/", cast.ann, at={"dataset_id": shared})


def _used(wire: Wire, name: str, caller: Caller, dataset_id: str) -> None:
    at = {"dataset_id": dataset_id}
    wire.ask(f"get: {name}", "GET", _ONE, caller, at=at)
    wire.ask(f"held: {name}", "GET", _HELD, caller, at=at)
    wire.ask(f"delete: {name}", "DELETE", _ONE, caller, at=at)
    wire.ask(f"viewer: {name}", "GET", "/graph/graph.html", caller, query=f"dataset={dataset_id}")
    table = {**at, "role": "edges", "file_type": "csv"}
    wire.ask(f"attach: {name}", "POST", _ATTACH, caller, Body(CSV), at=table)
    run = {"execute": "def task(g): return len(g._edges)"}
    wire.ask(f"run: {name}", "POST", f"{_ONE}/python", caller, run, at=at)


def _refused(wire: Wire, cast: Cast, shared: str) -> None:
    for name, asked in _REFUSED.items():
        wire.ask(f"set: {name}", "POST", _SHARE, cast.ann, {"obj_pk": shared, **asked})
    for name, pk in (("unknown", NOWHERE), ("no id", "x"), ("a number", 1), ("null", None)):
        wire.ask(f"set: {name}", "POST", _SHARE, cast.ann, {"obj_pk": pk})
    wire.ask("set: nothing", "POST", _SHARE, cast.ann, {})
    wire.ask("set: no JSON", "POST", _SHARE, cast.ann, Body(b"{"))
    wire.ask("set: a list", "POST", _SHARE, cast.ann, as_json([]))
    wire.ask("set: of another", "POST", _SHARE, cast.cid, {"obj_pk": cast.lone})
    wire.ask("held: of another", "GET", _HELD, cast.cid, at={"dataset_id": cast.lone})
    wire.ask("held: unknown", "GET", _HELD, cast.ann, at={"dataset_id": NOWHERE})
    mine = {"obj_pk": str(_made(wire, cast.cid)), "mode": "organization"}
    wire.ask("set: without an organization", "POST", _SHARE, cast.cid, mine)


def _made(wire: Wire, caller: Caller) -> str:
    return str(wire.send_ok("POST", "/api/v2/upload/datasets", caller, {"name": "mine"})["data"]["dataset_id"])
