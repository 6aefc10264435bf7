"""The one table from what went wrong to what a client sees, and the one shape of an error body.

Every error is ``{"error": sentence, "type": name, "request_id": id, ...}`` with a status that is not 2xx; where a
client reads other keys, they are added to the same object (protocol 0.3).
"""

from typing import Any, Final, Literal

import orjson
from starlette.responses import Response

from auth import errors as auth_errors
from catalog import errors as catalog_errors
from runtime import errors as runtime_errors

STATUS: Final[dict[type[Exception], int]] = {
    runtime_errors.InvalidSource: 400,
    runtime_errors.LimitTooHigh: 400,
    runtime_errors.InvalidTable: 400,
    runtime_errors.EngineUnavailable: 422,
    runtime_errors.DatasetUnreadable: 422,
    runtime_errors.DatasetTooLarge: 507,
    runtime_errors.StorageFull: 507,
    runtime_errors.RunExists: 409,
    runtime_errors.StoreUnavailable: 503,
    runtime_errors.Overloaded: 503,
    runtime_errors.RunInterrupted: 503,
    runtime_errors.TaskError: 422,
    runtime_errors.TaskTimeout: 422,
    runtime_errors.TaskMemoryExceeded: 422,
    runtime_errors.TaskScratchExceeded: 422,
    runtime_errors.TaskCrashed: 422,
    runtime_errors.TaskCancelled: 422,
    runtime_errors.ResultTooLarge: 422,
    runtime_errors.ResultNotSerializable: 422,
    auth_errors.Unauthenticated: 401,
    auth_errors.InvalidCredentials: 400,
    auth_errors.Forbidden: 403,
    auth_errors.EndpointDisabled: 403,
    auth_errors.TooManyAttempts: 429,
    auth_errors.InvalidName: 400,
    auth_errors.Taken: 409,
    auth_errors.Unknown: 404,
    auth_errors.WeakSecret: 400,
    catalog_errors.CatalogUnavailable: 503,
    catalog_errors.CatalogFull: 507,
}

_TOLD_AS: Final[dict[type[Exception], str]] = {
    runtime_errors.LimitTooHigh: "InvalidRequest",
    auth_errors.Unauthenticated: "Unauthenticated",  # not which way a token is bad
    auth_errors.TooManyAttempts: "TooManyRequests",
    auth_errors.UnknownOrganization: "NotFound",
    catalog_errors.CatalogUnavailable: "Overloaded",
    catalog_errors.CatalogFull: "StorageFull",
}
"""Names for the wire where a class has another."""


class RequestError(Exception):
    """A request that this app refuses by itself. ``status`` and ``type`` are what the client sees."""

    status = 400
    type = "InvalidRequest"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class InvalidRequest(RequestError):
    """The body is not what the route takes."""


class NotFound(RequestError):
    """No such thing, or none that the caller may know of."""

    status = 404
    type = "NotFound"


class TooLarge(RequestError):
    """The body is over its limit. Fields: ``limit_name``, ``limit``."""

    status = 413
    type = "TooLarge"


class TooManyRequests(RequestError):
    """A user's quota is used up. Fields: ``limit_name``, ``limit``, ``observed``, ``retry_after_s``."""

    status = 429
    type = "TooManyRequests"


Family = Literal["log-in", "files", "sharing", "datasets", "other"]
"""Routes whose clients read the same keys beside ``error`` (protocol 0.3)."""


def status_of(error: Exception) -> int:
    """HTTP status of an error of ours; 500 for one that the table does not know."""
    return status_and_type(type(error))[0]


def status_and_type(kind: type[Exception]) -> tuple[int, str]:
    """What a client sees of an error of ours: its HTTP status (500 for one that the table does not know), its name."""
    if issubclass(kind, RequestError):
        return kind.status, kind.type
    status = next((STATUS[base] for base in kind.__mro__ if base in STATUS), 500)
    return status, next((told for base, told in _TOLD_AS.items() if issubclass(kind, base)), kind.__name__)


def error_response(error: Exception, *, path: str, request_id: str) -> Response:
    """The response for an error of ours (``RequestError``, ``RuntimeFailure``, ``AuthError``)."""
    message = str(getattr(error, "message", error))
    fields = dict(getattr(error, "fields", {}))
    status, name = status_and_type(type(error))
    if status == 503:
        fields.setdefault("retry_after_s", 1)
    return build_response(status, name, message, fields, path=path, request_id=request_id)


def build_response(
    status: int, name: str, message: str, fields: dict[str, Any], *, path: str, request_id: str
) -> Response:
    """An error body with the keys that clients of this path read."""
    headers = {}
    retry_after = fields.pop("retry_after_s", None)
    if retry_after is not None:
        headers["Retry-After"] = str(int(retry_after))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    own = {"error": message, "type": name, "request_id": request_id}
    body = {**fields, **_family_fields(path, message, fields), **own}
    content = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS, default=str)
    return Response(content, status, headers, "application/json")


def family_of(path: str) -> Family:
    """By how a path begins: what stands further on may be a name that somebody chose."""
    if path.startswith(("/api-token-", "/api/v2/auth/")):
        return "log-in"
    if path.startswith(("/api/v2/files", "/api/v2/upload/files")):
        return "files"
    if path.startswith(("/api/v2/share/", "/api/v2/o/")):
        return "sharing"
    if path.startswith("/api/v2/upload/datasets"):
        return "datasets"
    return "other"


def _family_fields(path: str, message: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Keys beside ``error`` that clients of a route family look for (protocol 0.3)."""
    match family_of(path):
        case "log-in":
            return {"non_field_errors": [message], "detail": message}
        case "files":
            return {"is_valid": False, "is_uploaded": False, "errors": fields.get("errors") or [message]}
        case "sharing":
            return {"status": "Failed", "message": message}
        case "datasets":  # graphistry-js looks into data whatever the status says
            return {"success": False, "message": message, "detail": message, "data": {}}
        case "other":
            return {"success": False, "message": message, "detail": message}
