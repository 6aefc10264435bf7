"""What every operation of ``/openapi.json`` answers to those who may not, and to requests that are none."""

from typing import Any, Final

from tools.record_wire.asking import NOBODY, Body, Caller
from tools.record_wire.cast import Cast, made_up
from tools.record_wire.coverage import is_guarded, operations_of
from tools.record_wire.wire import Wire

SECTION: Final = "everywhere"

_STRANGERS: Final = {
    "bad token": Caller("a bad token", {"Authorization": "Bearer a.b.c"}),
    "Basic": Caller("Basic", {"Authorization": "Basic YWRtaW46YWRtaW4="}),
}
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def ask(wire: Wire, cast: Cast) -> None:
    """Nothing is changed by any of it."""
    wire.section = SECTION
    operations = operations_of(wire.document)
    cookie = Caller("cookies without a token", {"Cookie": cast.browser.headers["Cookie"]})
    for (method, path), described in operations.items():
        at = made_up(path)
        told = f"{method} {path}"
        is_safe = method == "GET"
        if is_guarded(described):
            for slash in ("", "/"):
                wire.ask(f"{told}{slash}: nobody", method, path + slash, NOBODY, _body(is_safe), at=at)
            for name, caller in _STRANGERS.items():
                wire.ask(f"{told}: {name}", method, path, caller, _body(is_safe), at=at)
            if not is_safe and "personalKey" not in str(described.get("security")):
                wire.ask(f"{told}: cookie", method, path, cookie, _body(is_safe), at=at)
        if "/admin/" in path or "/logout-user/" in path:
            wire.ask(f"{told}: a user", method, path, cast.bob, _body(is_safe), at=at)
        if "application/json" in described.get("requestBody", {}).get("content", {}):
            caller = cast.admin if is_guarded(described) else NOBODY
            for name, content in (("half a document", b'{"a'), ("a list", b"[]"), ("a number", b"7")):
                wire.ask(f"{told}: {name}", method, path, caller, Body(content, "application/json"), at=at)
        if is_safe:
            wire.ask(f"{told}: HEAD", "HEAD", path, at=at)
    for path in dict.fromkeys(path for _, path in operations):
        wrong = next(method for method in _METHODS if (method, path) not in operations)
        for method in (wrong, "OPTIONS"):
            wire.ask(f"{method} {path}: not served", method, path, at=made_up(path))


def _body(is_safe: bool) -> dict[str, Any] | None:
    return None if is_safe else {}
