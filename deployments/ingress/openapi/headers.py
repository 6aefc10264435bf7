"""Headers of answers, by name, as the document has them."""

from typing import Any, Final  # Any: JSON Schema

_MS: Final = r"[0-9]+\.[0-9]+"

HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {
        "description": "This request, in the server's logs too: the caller's own id if it was short and plain.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds until it makes sense to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "Allow": {
        "description": "The methods that this path takes.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where to go on to.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Set-Cookie": {
        "description": "The session (`graphistry_jwt`), the CSRF secret (`csrftoken`), or both.",
        "required": False,
        "schema": {"type": "string"},
    },
    "X-Run-Id": {
        "description": "The run, in logs too.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "Server-Timing": {
        "description": "Milliseconds: waiting for a turn, getting a process that has the dataset, the task, "
        "writing its result.",
        "required": True,
        "schema": {
            "type": "string",
            "pattern": f"^queue;dur={_MS}, seat;dur={_MS}, run;dur={_MS}, encode;dur={_MS}$",
        },
    },
    "X-Engine": {
        "description": "The engine that ran, where the operator had another one replaced.",
        "required": False,
        "schema": {"type": "string", "const": "pandas"},
    },
}


def header_references(*names: str) -> dict[str, Any]:
    """What an answer with these headers says of them; every answer has ``X-Request-Id``."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}
