"""Log-in, refresh, verify, log-out; tokens that do not count."""

from typing import Any, Final

from tools.record_wire.asking import NOBODY, Body, Caller, as_form, as_json
from tools.record_wire.cast import Cast
from tools.record_wire.server import ADMIN, ADMIN_WORDS
from tools.record_wire.wire import Wire

_RIGHT: Final = {"username": ADMIN, "password": ADMIN_WORDS}
_WRONG: Final[dict[str, Any]] = {
    "wrong password": {**_RIGHT, "password": "no"},
    "unknown user": {"username": "nobody", "password": "no"},
    "no password": {"username": ADMIN},
    "nothing": {},
    "nulls": {"username": None, "password": None},
    "numbers": {"username": 1, "password": 2},
    "organization is a number": {**_RIGHT, "org_name": 3},
    "control characters": {"username": "\0", "password": "\0"},
}
_NO_JSON: Final = {
    "no body": Body(b""),
    "half a body": Body(b'{"username": '),
    "a list": as_json([1]),
    "a text": as_json("x"),
    "a form": as_form(**_RIGHT),
    "no UTF-8": Body(b'{"username": "\xff"}'),
    "not a number": Body(b'{"username": NaN}'),
    "deep": Body(b'{"a":' * 101 + b"1" + b"}" * 101),
}
_HEADERS: Final = {
    "empty": "",
    "no token": "Bearer",
    "no JWT": "Bearer a.b.c",
    "two words": "Bearer a b",
    "another scheme": "Basic YWRtaW46YWRtaW4=",
    "a personal key": "PersonalKey a:b",
    "unsigned": "Bearer eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoxLCJ1c2VybmFtZSI6ImFkbWluIn0.",
    "long": "Bearer " + "x" * 9000,
}


def ask(wire: Wire, cast: Cast) -> None:
    """Signs the administrator in, who has no organization yet besides his own."""
    wire.section = "log-in"
    answer = wire.ask("of the administrator", "POST", "/api-token-auth", body=_RIGHT)
    token = str(answer.json()["token"])
    cast.admin = admin = Caller.bearing("admin", token)
    wire.ask("other path", "POST", "/api/v2/auth/token/generate", body=_RIGHT)
    wire.ask("other path/", "POST", "/api/v2/auth/token/generate/", body=_RIGHT)
    wire.ask("without a content type", "POST", "/api-token-auth/", body=Body(as_json(_RIGHT).content))
    wire.ask("with unknown fields", "POST", "/api-token-auth/", body={**_RIGHT, "colour": "red"})
    for name in (ADMIN, "nowhere", ""):
        wire.ask(f"with organization {name!r}", "POST", "/api-token-auth/", body={**_RIGHT, "org_name": name})
    for name, body in _WRONG.items():
        wire.ask(name, "POST", "/api-token-auth/", body=body)
    for name, sent in _NO_JSON.items():
        wire.ask(name, "POST", "/api-token-auth/", body=sent)
    wire.ask("wrong, other path", "POST", "/api/v2/auth/token/generate", body=_WRONG["unknown user"])
    for path in ("/api/v2/auth/token/refresh", "/api-token-refresh", "/api-token-verify"):
        wire.ask(f"{path}: good", "POST", path, body={"token": token})
        wire.ask(f"{path}/: good", "POST", f"{path}/", body={"token": f" {token}\n"})
        wire.ask(f"{path}: signed in besides", "POST", path, admin, {"token": token})
        for name, body in (("none", {}), ("empty", {"token": ""}), ("no JWT", {"token": "a.b.c"}), ("1", {"token": 1})):
            wire.ask(f"{path}: {name}", "POST", path, body=body)
        wire.ask(f"{path}: no JSON", "POST", path, body=Body(b"token"))
    for name, header in _HEADERS.items():
        wire.ask(f"header: {name}", "GET", "/api/v2/users/me", headers={"Authorization": header})
    forgiven = {"blanks": f"Bearer   {token}", "small": f"bearer {token}", "twice": f"Bearer Bearer {token}"}
    for name, header in forgiven.items():
        wire.ask(f"header: {name}", "GET", "/api/v2/users/me", headers={"Authorization": header})
    wire.ask("header: one letter less", "GET", "/api/v2/users/me", Caller.bearing("forger", token[:-1]))
    _log_out(wire)


def _log_out(wire: Wire) -> None:
    for slash in ("", "/"):
        path = f"/api/v2/auth/logout{slash}"
        token = str(wire.ask(f"to log out, {path}", "POST", "/api-token-auth/", body=_RIGHT).json()["token"])
        caller = Caller.bearing("admin, another log-in", token)
        wire.ask(f"{path}", "POST", path, caller)
        wire.ask(f"{path} again", "POST", path, caller)
        wire.ask(f"{path}, then me", "GET", "/api/v2/users/me", caller)
        wire.ask(f"{path}, then refresh", "POST", "/api-token-refresh", body={"token": token})
        wire.ask(f"{path}, then verify", "POST", "/api-token-verify", body={"token": token})
    wire.ask("logout of nobody", "POST", "/api/v2/auth/logout", NOBODY)
