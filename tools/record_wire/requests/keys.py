"""Personal keys, and log-ins with them."""

from typing import Final

from tools.record_wire.asking import Body, Caller, as_json
from tools.record_wire.cast import NOWHERE, Cast
from tools.record_wire.wire import Wire

_KEYS: Final = "/api/v2/auth/pkey"
_KEY: Final = f"{_KEYS}/{{key_id}}"
_LOG_IN: Final = f"{_KEYS}/jwt"


def ask(wire: Wire, cast: Cast) -> None:
    """Ann's."""
    wire.section = "keys"
    ann = cast.ann
    wire.ask("none yet", "GET", _KEYS, ann)
    made = wire.ask("make one", "POST", _KEYS, ann, {"name": "notebook"}).json()
    wire.ask("make one without a body", "POST", f"{_KEYS}/", ann)
    wire.ask("make one with a long name", "POST", _KEYS, ann, {"name": "x" * 300, "colour": "red"})
    for name, body in (("number", as_json({"name": 1})), ("list", as_json([])), ("no JSON", Body(b"{"))):
        wire.ask(f"make one: {name}", "POST", _KEYS, ann, body)
    wire.ask("list", "GET", f"{_KEYS}/", ann)
    caller = Caller("ann's key", {"Authorization": f"PersonalKey {made['id']}:{made['secret']}"})
    for method in ("GET", "POST"):
        wire.ask(f"log-in, {method}", method, _LOG_IN, caller)
        wire.ask(f"log-in, {method}/", method, f"{_LOG_IN}/", caller, {"org_name": "ann"})
        wire.ask(f"log-in, {method}, no such organization", method, _LOG_IN, caller, {"org_name": "nowhere"})
        wire.ask(f"log-in, {method}, no JSON", method, _LOG_IN, caller, Body(b"{"))
        wire.ask(f"log-in, {method}, a number", method, _LOG_IN, caller, {"org_name": 1})
        wire.ask(f"log-in, {method}, of nobody", method, _LOG_IN)
        wire.ask(f"log-in, {method}, with a token", method, _LOG_IN, ann)
    for name, header in (
        ("wrong secret", f"PersonalKey {made['id']}:{'x' * 43}"),
        ("unknown id", f"PersonalKey {NOWHERE}:{made['secret']}"),
        ("no secret", f"PersonalKey {made['id']}"),
        ("no id", "PersonalKey"),
        ("small letters", f"personalkey {made['id']}:{made['secret']}"),
    ):
        wire.ask(f"log-in: {name}", "POST", _LOG_IN, headers={"Authorization": header})
    wire.ask("me, with the key itself", "GET", "/api/v2/users/me", caller)
    token = wire.send_ok("POST", _LOG_IN, caller)["token"]
    had = Caller.bearing("ann, by her key", str(token))
    wire.ask("me, with its token", "GET", "/api/v2/users/me", had)
    wire.ask("make one with its token", "POST", _KEYS, had, {})
    wire.ask("revoke as another", "DELETE", _KEY, cast.bob, at={"key_id": made["id"]})
    wire.ask("revoke no id", "DELETE", _KEY, ann, at={"key_id": "x"})
    wire.ask("revoke none", "DELETE", _KEY, ann, at={"key_id": NOWHERE})
    wire.ask("revoke", "DELETE", _KEY, ann, at={"key_id": made["id"]})
    wire.ask("revoke again", "DELETE", f"{_KEY}/", ann, at={"key_id": made["id"]})
    wire.ask("revoked: me", "GET", "/api/v2/users/me", had)
    wire.ask("revoked: log-in", "GET", _LOG_IN, caller)
    wire.ask("list with a revoked one", "GET", _KEYS, ann)
