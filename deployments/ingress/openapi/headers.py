"""The headers of answers, by name, as the document describes them."""

from typing import Any, Final  # Any: JSON Schema

_MS: Final = r"[0-9]+\.[0-9]+"

HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {
        "description": "The id of this request, also in the server's log: the caller's own if it was short and plain.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before trying again.",
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
        "description": "The address to go to next.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Set-Cookie": {
        "description": "Sets the session (`graphistry_jwt`), the CSRF secret (`csrftoken`), or both.",
        "required": False,
        "schema": {"type": "string"},
    },
    "X-Run-Id": {
        "description": "The id of the run, also in the server's log.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
    "Server-Timing": {
        "description": "Times in milliseconds: `queue` waiting for a turn, `seat` getting a process that has the "
        "dataset, `run` the task, `encode` writing its result.",
        "required": True,
        "schema": {
            "type": "string",
            "pattern": f"^queue;dur={_MS}, seat;dur={_MS}, run;dur={_MS}, encode;dur={_MS}$",
        },
    },
    "X-Result-Note": {
        "description": "A remark on the result: the labels of an index were left out.",
        "required": False,
        "schema": {"type": "string"},
    },
    "X-Engine": {
        "description": "The engine that ran the task, if the operator replaced the engine that the request names.",
        "required": False,
        "schema": {"type": "string", "const": "pandas"},
    },
}


def header_references(*names: str) -> dict[str, Any]:
    """Return references to these headers; every answer has ``X-Request-Id`` too."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}
