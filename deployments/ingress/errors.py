"""One table of all errors that a client can see: class, status, name, and what it means.

The name of an error on the wire (``type``) is the name of its class, and its meaning in ``/openapi.json`` is the first
line of that class's docstring. ``error_answers.py`` makes the bodies.
"""

import inspect
from typing import Any, Final

from auth import errors as auth_errors
from catalog import errors as catalog_errors
from deployments.ingress.texts import published
from runtime import errors as runtime_errors


class RequestError(Exception):
    """Base of the errors with which the ingress itself refuses a request."""

    status = 400

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class InvalidRequest(RequestError):
    """The request is not what this route takes. The error sentence names every wrong field."""


class NotFound(RequestError):
    """There is no such thing, or the caller may not know of it."""

    status = 404


class MethodNotAllowed(RequestError):
    """The path does not take this method. The header ``Allow`` names the methods that it takes."""

    status = 405


class TooLarge(RequestError):
    """The body is larger than its limit.

    Fields: ``limit_name``, ``limit``.
    """

    status = 413


class UrlTooLong(RequestError):
    """The URL is longer than 8192 bytes. The front refuses it; send long values in the body instead."""

    status = 414


class BodyTooSlow(RequestError):
    """The body did not arrive in time: nothing came for too long, or too little. Send the request again.

    Fields: ``limit_name``, ``limit``, ``observed``.
    """

    status = 408


class TooManyRequests(RequestError):
    """A quota is used up, too many log-ins failed, or too many of the sender's requests wait. See ``Retry-After``.

    Fields: ``limit_name``, ``limit``, ``observed``, ``retry_after_s``.
    """

    status = 429


class InternalError(RequestError):
    """The server failed. Its log has the reason under ``request_id``."""

    status = 500


STATUS: Final[dict[type[Exception], int]] = {
    runtime_errors.InvalidSource: 400,
    runtime_errors.InvalidTable: 400,
    runtime_errors.LimitTooHigh: 400,
    auth_errors.InvalidCredentials: 400,
    auth_errors.InvalidName: 400,
    auth_errors.WeakSecret: 400,
    auth_errors.Unauthenticated: 401,
    auth_errors.Forbidden: 403,
    auth_errors.EndpointDisabled: 403,
    auth_errors.Unknown: 404,
    auth_errors.Taken: 409,
    runtime_errors.RunExists: 409,
    runtime_errors.TaskError: 422,
    runtime_errors.TaskTimeout: 422,
    runtime_errors.TaskMemoryExceeded: 422,
    runtime_errors.TaskScratchExceeded: 422,
    runtime_errors.TaskCrashed: 422,
    runtime_errors.TaskCancelled: 422,
    runtime_errors.ResultTooLarge: 422,
    runtime_errors.ResultNotSerializable: 422,
    runtime_errors.EngineUnavailable: 422,
    runtime_errors.DatasetUnreadable: 422,
    auth_errors.TooManyAttempts: 429,
    runtime_errors.Overloaded: 503,
    runtime_errors.RunInterrupted: 503,
    runtime_errors.StoreUnavailable: 503,
    catalog_errors.CatalogUnavailable: 503,
    runtime_errors.DatasetTooLarge: 507,
    runtime_errors.StorageFull: 507,
    catalog_errors.CatalogFull: 507,
}
"""The status of each class. A class that is not here has the status of its nearest base."""

SHOWN_AS: Final[dict[type[Exception], type[Exception]]] = {
    runtime_errors.LimitTooHigh: InvalidRequest,
    auth_errors.Unauthenticated: auth_errors.Unauthenticated,  # does not tell in which way a token is bad
    auth_errors.TooManyAttempts: TooManyRequests,
    auth_errors.UnknownOrganization: NotFound,
    catalog_errors.CatalogUnavailable: runtime_errors.Overloaded,
    catalog_errors.CatalogFull: runtime_errors.StorageFull,
}
"""Classes whose name and meaning clients see in place of those of a class and its subclasses."""


def status_of(kind: type[Exception]) -> int:
    """Return the HTTP status of an error class; 500 for a class that the table does not know."""
    if issubclass(kind, RequestError):
        return kind.status
    return next((STATUS[base] for base in kind.__mro__ if base in STATUS), InternalError.status)


def shown_as(kind: type[Exception]) -> type[Exception]:
    """Return the class whose name and meaning clients see for an error class."""
    return next((shown for base, shown in SHOWN_AS.items() if issubclass(kind, base)), kind)


def meaning_of(kind: type[Exception]) -> str:
    """Return what an error class means, in the words that ``/openapi.json`` has for it."""
    return published(inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0])


def sentence_of(kind: type[Exception]) -> str:
    """Return a sentence as errors of a class have it, for an example: in lower case and without a full stop."""
    meaning = meaning_of(kind).partition(". ")[0].removesuffix(".")
    return meaning if meaning[1:2].isupper() else meaning[:1].lower() + meaning[1:]


def order_of(kind: type[Exception]) -> tuple[int, str]:
    """Return a key that sorts error classes as the document lists them: ours first, then as in ``STATUS``."""
    index = next((index for index, base in enumerate(STATUS) if issubclass(kind, base)), -1)
    return index, kind.__name__
