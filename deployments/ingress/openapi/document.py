"""``/openapi.json``: what all routes declare, as one OpenAPI 3.1 document."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final  # Any: JSON Schema

from auth.errors import Forbidden, Unauthenticated
from catalog.errors import CatalogFull, CatalogUnavailable
from deployments.ingress.error_answers import family_of
from deployments.ingress.errors import (
    BodyTooSlow,
    InternalError,
    InvalidRequest,
    NotFound,
    TooLarge,
    TooManyRequests,
    UrlTooLong,
)
from deployments.ingress.openapi.errors import ErrorAnswers, error_schemas
from deployments.ingress.openapi.headers import HEADERS, header_references
from deployments.ingress.openapi.schemas import Mode, example_of, schemas_of
from deployments.ingress.routing.declarations import Answer, Body, Model, Parameter, RouteAccess, Shape
from deployments.ingress.routing.routes import Operation
from deployments.ingress.texts import published
from deployments.ingress.web.csrf import SAFE_METHODS, CsrfFailed
from deployments.settings import Settings
from runtime.errors import Overloaded

DESCRIPTION: Final = """\
Send a Python function to the graph instead of the graph to the function.

Every path works with and without a trailing slash. Every error is JSON with `error`, `type` and `request_id`; \
`type` names what went wrong. An unknown path is a 404 `NotFound`. A path that does not take the method is a 405 \
`MethodNotAllowed`, whose header `Allow` names the methods that it takes. Every path that takes GET takes HEAD too."""

SECURITY_SCHEMES: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token from `/api-token-auth`. If a request has a token, cookies are ignored.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "graphistry_jwt",
        "description": "A browser's session, from `/login`. A request that may change something needs `csrf` too.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRFToken",
        "description": "The value of the cookie `csrftoken`, or a token from `/api/v1/csrfmiddlewaretoken`. The cookie "
        "must be sent too. Needed only with `session`, and only pages of this server can use a session.",
    },
    "personalKey": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`PersonalKey <id>:<secret>`, to get a token.",
    },
}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of the document: routes that belong together."""

    name: str
    description: str
    operations: tuple[Operation, ...]


def document_of(tags: Iterable[Tag], settings: Settings) -> Document:
    """Return the document for a server with these settings. It names their maxima and needs no services."""
    tags = tuple(tags)
    shapes, errors = _Shapes(tags, settings), ErrorAnswers()
    paths: dict[str, dict[str, Any]] = {}
    ids = _ids(tags)
    for tag in tags:
        for operation in tag.operations:
            described = _operation(operation, ids[operation], shapes, errors)
            paths.setdefault(operation.path, {})[operation.method.lower()] = {"tags": [tag.name], **described}
    return {
        "openapi": "3.1.0",
        "info": {"title": "graphside", "version": _version(), "description": DESCRIPTION},
        "tags": [{"name": tag.name, "description": tag.description} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": dict(sorted({**shapes.schemas, **error_schemas()}.items())),
            "responses": dict(sorted(errors.components.items())),
            "headers": HEADERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


class _Shapes:
    """The schemas of all models, and references to them."""

    def __init__(self, tags: Iterable[Tag], settings: Settings) -> None:
        self._settings = settings
        self._by_settings: dict[Callable[[Settings], Model], Model] = {}
        wanted: list[tuple[Model, Mode]] = []
        for operation in (operation for tag in tags for operation in tag.operations):
            taken = map(self._shape, operation.body.contents.values() if operation.body is not None else ())
            wanted += [(shape, "validation") for shape in taken if isinstance(shape, type)]
            sent = (shape for answer in operation.answers.values() for shape in answer.contents.values())
            wanted += [(shape, "serialization") for shape in sent if isinstance(shape, type)]
        self._references, self.schemas = schemas_of(wanted)

    def body(self, body: Body[Any]) -> dict[str, Any]:
        bound = f"At most {body.limit(self._settings)} bytes."
        said = {"description": f"{body.description} {bound}".strip()}
        contents = {kind: self._content(self._shape(shape), "validation") for kind, shape in body.contents.items()}
        return {**said, "required": body.is_required, "content": contents}

    def answer(self, answer: Answer) -> dict[str, Any]:
        made: dict[str, Any] = {"description": answer.description, "headers": header_references(*answer.headers)}
        if answer.contents:
            made["content"] = {kind: self._content(shape, "serialization") for kind, shape in answer.contents.items()}
        if answer.links:
            made["links"] = {name: dict(link) for name, link in answer.links.items()}
        return made

    def _content(self, shape: Shape, mode: Mode) -> dict[str, Any]:
        if not isinstance(shape, type):
            return {"schema": shape}
        reference = self._references[shape, mode]
        return {"schema": reference, "example": example_of(reference, self.schemas)}

    def _shape(self, shape: Shape | Callable[[Settings], Model]) -> Shape:
        """Return the shape, or the model that a function makes of the settings: the same one every time."""
        if isinstance(shape, type | Mapping):
            return shape
        return self._by_settings.setdefault(shape, self._by_settings.get(shape) or shape(self._settings))


def _operation(operation: Operation, operation_id: str, shapes: _Shapes, errors: ErrorAnswers) -> dict[str, Any]:
    summary, _, description = published(inspect.cleandoc(operation.handler.__doc__ or "")).partition("\n\n")
    made: dict[str, Any] = {"operationId": operation_id, "summary": summary}
    paragraphs = [description] if description else []
    if operation.access == "admin" and "administrators" not in summary:
        paragraphs.append("For administrators.")
    made["description"] = "\n\n".join(paragraphs) or summary
    if operation.parameters:
        made["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        made["requestBody"] = shapes.body(operation.body)
    refusals = errors.of(
        [*_usual_errors(operation), *operation.errors],
        family_of(operation.path),
        as_page=operation.answers_page,
    )
    answers = {**refusals, **{status: shapes.answer(answer) for status, answer in operation.answers.items()}}
    made["responses"] = {str(status): answers[status] for status in sorted(answers)}
    made["security"] = _security(operation.access, is_safe=operation.method in SAFE_METHODS)
    return made


def _usual_errors(operation: Operation) -> Iterator[type[Exception]]:
    """Yield what can go wrong anywhere, where a caller is asked for, and where parameters or a body are read."""
    yield from (InternalError, TooManyRequests, Overloaded)
    is_safe = operation.method in SAFE_METHODS
    if operation.body is not None:
        yield from (InvalidRequest, TooLarge, BodyTooSlow)
    locations = {parameter.location for parameter in operation.parameters}
    if "path" in locations:
        yield NotFound
    if "query" in locations:
        yield from (InvalidRequest, UrlTooLong)
    if operation.access in ("key", "user", "admin"):
        yield from (Unauthenticated, CatalogUnavailable)
        if not is_safe:
            yield CatalogFull
    if operation.access in ("optional", "credential", "user", "admin") and not is_safe:
        yield CsrfFailed
    if operation.access == "admin":
        yield Forbidden


def _security(access: RouteAccess, *, is_safe: bool) -> list[dict[str, list[str]]]:
    """Return alternatives: the parts of one are needed together, and an empty one needs nothing."""
    session: dict[str, list[str]] = {"session": []} if is_safe else {"session": [], "csrf": []}
    match access:
        case "open":
            return []
        case "key":
            return [{"personalKey": []}]
        case "optional" | "credential":
            return [{}, {"bearer": []}, session]
        case "user" | "admin":
            return [{"bearer": []}, session]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    made = {"name": parameter.name, "in": parameter.location, "description": parameter.description}
    example = {} if parameter.example is None else {"example": parameter.example}
    return {**made, "required": parameter.is_required, "schema": dict(parameter.schema), **example}


def _ids(tags: Iterable[Tag]) -> dict[Operation, str]:
    """Return stable names: tag and function, with the method or the path if the function serves several."""
    ids = {}
    for tag in tags:
        for operation in tag.operations:
            same = [other for other in tag.operations if other.handler is operation.handler]
            name = f"{tag.name}_{operation.handler.__name__}"
            if len({other.method for other in same}) > 1:
                name += f"_{operation.method.lower()}"
            if operation.path != same[0].path:
                name += re.sub(r"[^a-z0-9]+", "_", operation.path.lower())
            ids[operation] = name
    return ids


def _version() -> str:
    try:
        return version("graphside")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
