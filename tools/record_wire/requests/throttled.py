"""Log-ins that failed too often."""

from typing import Any, Final

from tools.record_wire.asking import as_form, as_json
from tools.record_wire.cast import Cast
from tools.record_wire.wire import Wire, request_of

_TRIES: Final = 10


def ask(wire: Wire, cast: Cast) -> None:
    """Of a name that nobody has."""
    wire.section = "throttled"
    body: dict[str, Any] = {"username": "guessed", "password": "no"}
    for _ in range(_TRIES):
        wire.send(request_of("POST", "/api-token-auth", body=body))
    wire.ask("log-in", "POST", "/api-token-auth", body=body)
    wire.ask("log-in, other path", "POST", "/api/v2/auth/token/generate", body=body)
    wire.ask("sign-in, JSON", "POST", "/login", body=as_json(body))
    wire.ask("sign-in, form", "POST", "/login", body=as_form(**body))
    wire.ask("sign-in, for a browser", "POST", "/login", body=as_form(**body), headers={"Accept": "text/html"})
    wrong = {"password": "x" * 12, "current_password": "no"}
    path = "/api/v2/admin/users/{username}/password"
    wire.ask("password", "POST", path, cast.admin, wrong, at={"username": "guessed"})
