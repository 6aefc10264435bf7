"""The one shape of an error body, and the keys that clients of each family of routes read in it (protocol 0.3).

Every error is ``{"error": sentence, "type": name, "request_id": id, ...}`` with a status that is not 2xx. The keys of
the family are added to the same object.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final  # Any: JSON, JSON Schema

import orjson
from starlette.responses import Response

from deployments.ingress.errors import shown_as, status_of


@dataclass(frozen=True, slots=True)
class Key:
    """A key of an error body: its JSON Schema, and its value for a sentence and the errors of an upload."""

    schema: Mapping[str, Any]
    value: Callable[[str, Sequence[str]], Any]


@dataclass(frozen=True, slots=True)
class ErrorFamily:
    """Routes whose clients read the same keys beside ``error``.

    ``name`` is that of the schema, ``suffix`` tells the family's answers apart in the document, ``prefixes`` are how
    the family's paths begin: further on in a path, a name that a user chose may stand.
    """

    name: str
    suffix: str
    description: str
    prefixes: tuple[str, ...]
    keys: Mapping[str, Key]

    def fields(self, sentence: str, errors: Sequence[str] = ()) -> dict[str, Any]:
        """Return the family's keys of an error body."""
        return {name: key.value(sentence, errors) for name, key in self.keys.items()}


_TEXT: Final = {"type": "string"}
_SENTENCE: Final = Key({**_TEXT, "description": "The error sentence."}, lambda sentence, _: sentence)
_FALSE: Final = Key({"const": False}, lambda *_: False)

OTHER: Final = ErrorFamily(
    "OtherError", "", "An error of any other route.", (), {"success": _FALSE, "message": _SENTENCE, "detail": _SENTENCE}
)
FAMILIES: Final = (
    ErrorFamily(
        "LogInError",
        ".log-in",
        "An error of a log-in route.",
        ("/api-token-", "/api/v2/auth/"),
        {
            "non_field_errors": Key(
                {"type": "array", "items": _TEXT, "description": "The error sentence."}, lambda sentence, _: [sentence]
            ),
            "detail": _SENTENCE,
        },
    ),
    ErrorFamily(
        "FileError",
        ".files",
        "An error of a route for files.",
        ("/api/v2/files", "/api/v2/upload/files"),
        {
            "is_valid": _FALSE,
            "is_uploaded": _FALSE,
            "errors": Key(
                {
                    "type": "array",
                    "items": _TEXT,
                    "description": "What is wrong with the uploaded bytes; in any other case the error sentence.",
                },
                lambda sentence, errors: errors or [sentence],
            ),
        },
    ),
    ErrorFamily(
        "SharingError",
        ".sharing",
        "An error of a route for share links or organizations.",
        ("/api/v2/share/", "/api/v2/o/"),
        {"status": Key({"const": "Failed"}, lambda *_: "Failed"), "message": _SENTENCE},
    ),
    ErrorFamily(
        "DatasetError",
        ".datasets",
        "An error of a route that creates a dataset or uploads a table to it.",
        ("/api/v2/upload/datasets",),
        {
            "success": _FALSE,
            "message": _SENTENCE,
            "detail": _SENTENCE,
            # graphistry-js looks into data, whatever the status says.
            "data": Key({"type": "object", "maxProperties": 0}, lambda *_: {}),
        },
    ),
    OTHER,
)


def family_of(path: str) -> ErrorFamily:
    """Return the family of a path."""
    return next((family for family in FAMILIES if path.startswith(family.prefixes)), OTHER)


def error_response(error: Exception, *, path: str, request_id: str, text: str | None = None) -> Response:
    """Return the answer for an error of ours, with the keys that clients of this path read.

    ``text`` stands under ``error`` in place of the sentence, which the other keys have.
    """
    kind = type(error)
    status = status_of(kind)
    sentence = str(getattr(error, "message", error))
    fields = dict(getattr(error, "fields", {}))
    retry_after_s = fields.pop("retry_after_s", 1 if status == 503 else None)
    headers = {}
    if retry_after_s is not None:
        headers["Retry-After"] = str(int(retry_after_s))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {
        **fields,
        **family_of(path).fields(sentence, fields.get("errors") or ()),
        "error": sentence if text is None else text,
        "type": shown_as(kind).__name__,
        "request_id": request_id,
    }
    content = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS, default=str)
    return Response(content, status, headers, "application/json")
