"""Organizations and their members; what a log-in says of them."""

from typing import Any, Final

from tools.record_wire.asking import Body, as_json
from tools.record_wire.cast import WORDS, Cast
from tools.record_wire.wire import Wire

_ALL: Final = "/api/v2/admin/organizations"
_MEMBERS: Final = "/api/v2/o/{slug}/members"
_MEMBER: Final = f"{_MEMBERS}/{{username}}"
_SWITCH: Final = "/api/v2/o/{slug}/switch"
_REFUSED: Final[dict[str, Any]] = {
    "the same slug": {"slug": "lab"},
    "a user's name": {"slug": "ann"},
    "capitals": {"slug": "Lab"},
    "empty": {"slug": ""},
    "long": {"slug": "x" * 151},
    "a number": {"slug": 1},
    "name is a number": {"slug": "new", "name": 1},
    "nothing": {},
}


def ask(wire: Wire, cast: Cast) -> None:
    """Two of them: the lab is ann's and has bob as a member, the shop is empty."""
    wire.section = "organizations"
    admin, ann, bob, cid = cast.admin, cast.ann, cast.bob, cast.cid
    wire.ask("none yet", "GET", _ALL, admin)
    wire.ask("own", "GET", "/api/v2/organizations", ann)
    wire.ask("make the lab", "POST", _ALL, admin, {"slug": "lab", "name": "The Lab"})
    wire.ask("make it as a user", "POST", _ALL, ann, {"slug": "mine"})
    for name, body in _REFUSED.items():
        wire.ask(f"make: {name}", "POST", _ALL, admin, body)
    wire.ask("make: no JSON", "POST", _ALL, admin, Body(b"{"))
    wire.ask("take ann in", "PUT", _MEMBER, admin, {"role": "admin"}, at={"slug": "lab", "username": "ann"})
    wire.ask("take bob in, as ann", "PUT", f"{_MEMBER}/", ann, at={"slug": "lab", "username": "bob"})
    for name, caller, slug, username, sent in (
        ("no such role", ann, "lab", "bob", as_json({"role": "owner"})),
        ("no JSON", ann, "lab", "bob", Body(b"{")),
        ("a list", ann, "lab", "bob", as_json([])),
        ("nobody", ann, "lab", "nobody", as_json({})),
        ("no organization", ann, "nowhere", "bob", as_json({})),
        ("a user's own", ann, "ann", "bob", as_json({})),
        ("another user's own", admin, "ann", "bob", as_json({})),
        ("as a member", bob, "lab", "cid", as_json({})),
        ("as a stranger", cid, "lab", "cid", as_json({})),
        ("as the administrator", admin, "lab", "bob", as_json({"role": "member", "colour": "red"})),
    ):
        at = {"slug": slug, "username": username}
        wire.ask(f"take in: {name}", "PUT", _MEMBER, caller, sent, at=at)
    for caller in (ann, bob, cid, admin):
        wire.ask(f"members, as {caller.name}", "GET", _MEMBERS, caller, at={"slug": "lab"})
        wire.ask(f"own, as {caller.name}", "GET", "/api/v2/organizations/", caller)
    wire.ask("members of none", "GET", f"{_MEMBERS}/", ann, at={"slug": "nowhere"})
    wire.ask("members of one's own", "GET", _MEMBERS, ann, at={"slug": "ann"})
    _log_ins(wire, "one organization")
    wire.ask("make the shop", "POST", f"{_ALL}/", admin, {"slug": "shop", "colour": "red"})
    wire.ask("all", "GET", f"{_ALL}/", admin)
    wire.ask("all, as a user", "GET", _ALL, ann)
    _log_ins(wire, "two organizations")
    for slug in ("lab", "ann", "shop", "bob", "nowhere", "Lab"):
        wire.ask(f"switch to {slug}", "POST", _SWITCH, ann, at={"slug": slug})
    wire.ask("switch/ with a form", "POST", f"{_SWITCH}/", ann, Body(b"slug=lab"), at={"slug": "lab"})
    at = {"slug": "lab", "username": "cid"}
    wire.ask("take cid in", "PUT", _MEMBER, ann, {"role": "member"}, at=at)
    wire.ask("let cid go, as a member", "DELETE", _MEMBER, bob, at=at)
    wire.ask("let cid go", "DELETE", _MEMBER, ann, at=at)
    wire.ask("let cid go again", "DELETE", f"{_MEMBER}/", ann, at=at)
    wire.ask("let nobody go", "DELETE", _MEMBER, ann, at={"slug": "lab", "username": "nobody"})
    wire.ask("let go of none", "DELETE", _MEMBER, ann, at={"slug": "nowhere", "username": "bob"})


def _log_ins(wire: Wire, when: str) -> None:
    for slug in (None, "ann", "lab", "shop", "nowhere"):
        body = {"username": "ann", "password": WORDS, **({} if slug is None else {"org_name": slug})}
        wire.ask(f"log-in, {when}, {slug or 'none'} named", "POST", "/api-token-auth/", body=body)
