"""Users, as administrators manage them; everybody's own password; who one is."""

from typing import Any, Final

from tools.record_wire.asking import Body, Caller, as_json
from tools.record_wire.cast import WORDS, Cast
from tools.record_wire.wire import Wire

_USERS: Final = "/api/v2/admin/users"
_PASSWORD: Final = f"{_USERS}/{{username}}/password"
_REFUSED: Final[dict[str, dict[str, Any]]] = {
    "the same name": {"username": "ann", "password": WORDS},
    "short password": {"username": "new", "password": "short"},
    "long password": {"username": "new", "password": "x" * 1025},
    "no name": {"password": WORDS},
    "empty name": {"username": "", "password": WORDS},
    "name with a blank": {"username": "a b", "password": WORDS},
    "long name": {"username": "x" * 151, "password": WORDS},
    "name is a number": {"username": 7, "password": WORDS},
    "admin is a text": {"username": "new", "password": WORDS, "admin": "yes"},
    "nothing": {},
}


def ask(wire: Wire, cast: Cast) -> None:
    """Makes everybody whom the others need, and some more."""
    wire.section = "users"
    admin = cast.admin
    wire.ask("list of one", "GET", _USERS, admin)
    wire.ask("me, the administrator", "GET", "/api/v2/users/me", admin)
    people: dict[str, dict[str, Any]] = {
        "ann": {"email": "Ann@Example.org", "name": "Ann Example"},
        "bob": {},
        "cid": {"email": "", "admin": False},
        "dot": {"colour": "red"},
        "eve": {"name": "Ève 'quoted' <b>"},
        "root": {"admin": True},
    }
    for name, fields in people.items():
        slash = "/" if name == "bob" else ""
        wire.ask(f"add {name}", "POST", _USERS + slash, admin, {"username": name, "password": WORDS, **fields})
    for name, body in _REFUSED.items():
        wire.ask(f"add: {name}", "POST", _USERS, admin, body)
    wire.ask("add: no JSON", "POST", _USERS, admin, Body(b"username=x"))
    wire.ask("add: a list", "POST", _USERS, admin, as_json([]))
    cast.ann, cast.bob, cast.cid = (_logged_in(wire, name) for name in ("ann", "bob", "cid"))
    wire.ask("add, as a user", "POST", _USERS, cast.ann, {"username": "new", "password": WORDS})
    wire.ask("list", "GET", f"{_USERS}/", admin)
    wire.ask("list, as a user", "GET", _USERS, cast.ann)
    wire.ask("me", "GET", "/api/v2/users/me", cast.ann)
    wire.ask("me/", "GET", "/api/v2/users/me/", cast.cid)
    _passwords(wire, cast)
    _locking(wire, cast)
    _ending(wire, cast)


def _passwords(wire: Wire, cast: Cast) -> None:
    new = f"{WORDS}, new"
    for name, caller, username, body in (
        ("own", cast.cid, "cid", {"password": new}),
        ("own, with a token of before", cast.cid, "cid", {"password": new}),
        ("of another, as the administrator", cast.admin, "cid", {"password": WORDS}),
        ("of another, as a user", cast.ann, "bob", {"password": WORDS}),
        ("of nobody, as a user", cast.ann, "nobody", {"password": WORDS}),
        ("of nobody, as the administrator", cast.admin, "nobody", {"password": WORDS}),
        ("too short", cast.ann, "ann", {"password": "short"}),
        ("missing", cast.ann, "ann", {}),
        ("a number", cast.ann, "ann", {"password": 12345678}),
        ("current one is wrong", cast.ann, "ann", {"password": WORDS, "current_password": "no"}),
    ):
        wire.ask(f"password: {name}", "POST", _PASSWORD, caller, body, at={"username": username})
    wire.ask("password: no JSON", "POST", _PASSWORD, cast.ann, Body(b"{"), at={"username": "ann"})
    cast.cid = _logged_in(wire, "cid", "again")
    body = {"password": WORDS, "current_password": WORDS}
    wire.ask("password/: current one is right", "POST", f"{_PASSWORD}/", cast.cid, body, at={"username": "cid"})
    cast.cid = _logged_in(wire, "cid", "a third time")


def _locking(wire: Wire, cast: Cast) -> None:
    eve = _logged_in(wire, "eve")
    for what in ("disable", "enable"):
        path = f"{_USERS}/{{username}}/{what}"
        wire.ask(f"{what} as a user", "POST", path, cast.ann, at={"username": "eve"})
        wire.ask(f"{what} nobody", "POST", path, cast.admin, at={"username": "nobody"})
        wire.ask(f"{what} eve", "POST", path, cast.admin, at={"username": "eve"})
        wire.ask(f"{what} eve again", "POST", f"{path}/", cast.admin, at={"username": "eve"})
        wire.ask(f"{what}d eve: me", "GET", "/api/v2/users/me", eve)
        body = {"username": "eve", "password": WORDS}
        wire.ask(f"{what}d eve: log-in", "POST", "/api-token-auth", body=body)
        wire.ask(f"{what}d eve: refresh", "POST", "/api-token-refresh", body={"token": eve.token})
    wire.ask("list with eve", "GET", _USERS, cast.admin)
    path = f"{_USERS}/{{username}}/disable"
    wire.ask("disable the other administrator", "POST", path, cast.admin, at={"username": "root"})
    wire.ask("disable the last administrator", "POST", path, cast.admin, at={"username": "admin"})


def _ending(wire: Wire, cast: Cast) -> None:
    path = "/api/v2/logout-user/username/{username}"
    for method in ("GET", "POST"):
        eve = _logged_in(wire, "eve", f"for {method}")
        wire.ask(f"log eve out, {method}", method, path, cast.admin, at={"username": "eve"})
        wire.ask(f"log eve out, {method}/", method, f"{path}/", cast.admin, at={"username": "eve"})
        wire.ask(f"logged out eve, {method}: me", "GET", "/api/v2/users/me", eve)
        wire.ask(f"log nobody out, {method}", method, path, cast.admin, at={"username": "nobody"})
        wire.ask(f"log out, {method}, as a user", method, path, cast.ann, at={"username": "eve"})


def _logged_in(wire: Wire, username: str, time: str = "") -> Caller:
    name = f"log-in of {username} {time}".strip()
    answer = wire.ask(name, "POST", "/api-token-auth/", body={"username": username, "password": WORDS})
    return Caller.bearing(username, str(answer.json()["token"]))
