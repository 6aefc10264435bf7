"""Groups and flags, and what the flags do."""

from typing import Any, Final

from tools.record_wire.asking import Body, as_json
from tools.record_wire.cast import NOWHERE, Cast
from tools.record_wire.wire import Wire

_GROUPS: Final = "/api/v2/admin/groups"
_GROUP: Final = f"{_GROUPS}/{{group}}"
_MEMBER: Final = f"{_GROUP}/members/{{username}}"
_FLAGS: Final = "/api/v2/admin/flags"
_FLAG: Final = f"{_FLAGS}/{{flag}}"
_ON: Final = "flag_python_endpoint_enabled_users"
_OFF: Final = "flag_python_endpoint_disabled"
_REFUSED: Final[dict[str, Any]] = {
    "no value": {},
    "a text": {"value": "on"},
    "a number": {"value": 1},
    "two scopes": {"value": True, "user": "ann", "group": "analysts"},
    "unknown user": {"value": True, "user": "nobody"},
    "unknown group": {"value": True, "group": "nobody"},
    "101 percent": {"value": True, "percent": 101},
    "-1 percent": {"value": True, "percent": -1},
    "half a percent": {"value": True, "percent": 0.5},
    "staff is a text": {"value": True, "staff": "yes"},
    "user is a number": {"value": True, "user": 1},
}


def ask(wire: Wire, cast: Cast) -> None:
    """Ann and bob may run Python afterwards, cid may not."""
    wire.section = "flags"
    _groups(wire, cast)
    admin = cast.admin
    wire.ask("none yet", "GET", _FLAGS, cast.admin)
    for name, body in _REFUSED.items():
        wire.ask(f"set: {name}", "PUT", _FLAG, admin, body, at={"flag": _ON})
    wire.ask("set: no JSON", "PUT", _FLAG, admin, Body(b"{"), at={"flag": _ON})
    wire.ask("set: a list", "PUT", _FLAG, admin, as_json([]), at={"flag": _ON})
    wire.ask("set: unknown flag", "PUT", _FLAG, admin, {"value": True}, at={"flag": "flag_nothing"})
    wire.ask("set: as a user", "PUT", _FLAG, cast.ann, {"value": True}, at={"flag": _ON})
    for name, flag, body in (
        ("on for everyone", _ON, {"value": True}),
        ("off for a group", _OFF, {"value": True, "group": "analysts"}),
        ("a share", _ON, {"value": False, "percent": 0}),
        ("staff", _ON, {"value": True, "staff": True}),
        ("for ann", _ON, {"value": True, "user": "ann", "colour": "red"}),
        ("for bob", _ON, {"value": True, "user": "bob"}),
    ):
        wire.ask(f"set: {name}", "PUT", _FLAG, admin, body, at={"flag": flag})
    wire.ask("list", "GET", f"{_FLAGS}/", admin)
    wire.ask("list, as a user", "GET", _FLAGS, cast.ann)
    run: dict[str, Any] = {"execute": "def task(g): return 1"}
    path, at = "/api/v2/datasets/{dataset_id}/python", {"dataset_id": NOWHERE}
    wire.ask("run, disabled for a group", "POST", path, cast.cid, run, at=at)
    wire.ask("unset for the group", "PUT", f"{_FLAG}/", admin, {"value": None, "group": "analysts"}, at={"flag": _OFF})
    wire.ask("run, enabled for everyone", "POST", path, cast.cid, run, at=at)
    scopes: dict[str, dict[str, Any]] = {"for everyone": {}, "the share": {"percent": 7}, "for staff": {"staff": True}}
    for name, scope in scopes.items():
        wire.ask(f"unset {name}", "PUT", _FLAG, admin, {"value": None, **scope}, at={"flag": _ON})
    wire.ask("run, not enabled", "POST", path, cast.cid, run, at=at)
    wire.ask("run, not enabled, no JSON", "POST", path, cast.cid, Body(b"{"), at=at)
    wire.ask("list at the end", "GET", _FLAGS, admin)


def _groups(wire: Wire, cast: Cast) -> None:
    admin, at = cast.admin, {"group": "analysts"}
    wire.ask("no groups yet", "GET", _GROUPS, admin)
    wire.ask("make a group", "POST", _GROUPS, admin, {"name": "analysts", "colour": "red"})
    wire.ask("make another", "POST", f"{_GROUPS}/", admin, {"name": "Zoë@lab"})
    wire.ask("make a group as a user", "POST", _GROUPS, cast.ann, {"name": "mine"})
    names = {"again": "analysts", "a blank": "a b", "empty": "", "long": "x" * 151, "a number": 1, "null": None}
    for told, name in names.items():
        wire.ask(f"make a group: {told}", "POST", _GROUPS, admin, {"name": name})
    wire.ask("make a group: nothing", "POST", _GROUPS, admin, {})
    wire.ask("make a group: no JSON", "POST", _GROUPS, admin, Body(b"{"))
    for told, username in (("cid", "cid"), ("cid once more", "cid"), ("nobody", "nobody")):
        wire.ask(f"put {told} in", "PUT", _MEMBER, admin, at={**at, "username": username})
    wire.ask("put ann in, slash", "PUT", f"{_MEMBER}/", admin, at={**at, "username": "ann"})
    wire.ask("put into no group", "PUT", _MEMBER, admin, at={"group": "none", "username": "ann"})
    wire.ask("put in as a user", "PUT", _MEMBER, cast.ann, at={**at, "username": "bob"})
    wire.ask("groups", "GET", f"{_GROUPS}/", admin)
    wire.ask("groups, as a user", "GET", _GROUPS, cast.ann)
    for told, group, username in (
        ("ann", "analysts", "ann"),
        ("bob, who is not in it", "analysts", "bob"),
        ("nobody", "analysts", "nobody"),
        ("out of no group", "none", "ann"),
    ):
        slash = "/" if username == "bob" else ""
        wire.ask(f"take {told}", "DELETE", f"{_MEMBER}{slash}", admin, at={"group": group, "username": username})
    wire.ask("remove a group", "DELETE", f"{_GROUP}/", admin, at={"group": "Zoë@lab"})
    wire.ask("remove it again", "DELETE", _GROUP, admin, at={"group": "Zoë@lab"})
    wire.ask("remove as a user", "DELETE", _GROUP, cast.ann, at=at)
