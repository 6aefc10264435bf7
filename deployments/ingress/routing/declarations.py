"""The declarations of a route: who may call it, what it takes, what it answers.

``routes.py`` enforces the access and the body; ``/openapi.json`` is made of all of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar  # Any: JSON Schema

from pydantic import BaseModel

from deployments.ingress.texts import published
from deployments.settings import Settings

Schema: TypeAlias = Mapping[str, Any]
Model: TypeAlias = type[BaseModel]
Shape: TypeAlias = Model | Schema
"""A model, or a schema if there is no model."""

BodyT = TypeVar("BodyT")
ModelT = TypeVar("ModelT", bound=BaseModel)

WithoutPrincipal = Literal["open", "key", "credential"]
WithPrincipal = Literal["user", "admin"]
RouteAccess = WithoutPrincipal | Literal["optional"] | WithPrincipal
"""Who may call a route.

- ``open``: anybody.
- ``key``: who sends a personal key, which the handler exchanges for a token.
- ``credential``: anybody; the handler acts on the credential that is sent.
- ``optional``: anybody; users are shown more.
- ``user``: a user.
- ``admin``: an administrator.
"""

TEXT: Final[Schema] = {"type": "string"}


def text_of(most_characters: int) -> Schema:
    """Return the schema of a text in a parameter, which has a bound."""
    return {"type": "string", "maxLength": most_characters}


BYTES: Final[Schema] = {"type": "string", "format": "binary"}
HTML: Final = "text/html"
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"

SMALL_BODY_BYTES: Final = 16 * 1024
"""The limit of a body whose route declares none: enough for names, passwords, tokens and a few words."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter in the path, the query or the headers. ``schema`` describes its value, not its text."""

    name: str
    description: str
    schema: Schema
    example: Any = None
    location: Literal["path", "query", "header"] = "query"
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Body(Generic[BodyT]):
    """The body of a request, by media type. A function is given this server's settings and returns the model.

    ``model`` is what the body is checked against before the handler is called; None if the handler reads the body.
    ``most_bytes`` is the limit of the body: a number, or a function of the settings.
    """

    contents: Mapping[str, Shape | Callable[[Settings], Model]]
    most_bytes: int | Callable[[Settings], int]
    model: type[BodyT] | None = None
    is_required: bool = True
    description: str = ""

    def limit(self, settings: Settings) -> int:
        """Return the limit of the body in bytes."""
        return self.most_bytes if isinstance(self.most_bytes, int) else self.most_bytes(settings)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer with one status that is not an error. ``headers`` are those beside ``X-Request-Id``."""

    description: str
    contents: Mapping[str, Shape] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    links: Mapping[str, Schema] = field(default_factory=dict)


def json_answer(shape: Shape, description: str = "", **more: Any) -> Answer:
    """Return an answer of JSON. Its default description is the first paragraph of the model's docstring."""
    text = description or (_first_paragraph(shape) if isinstance(shape, type) else "")
    return Answer(text, {JSON: shape}, **more)


def link(operation: str, **parameters: str) -> Schema:
    """Return a link to an operation that takes values of this answer, given as runtime expressions."""
    return {"operationId": operation, "parameters": parameters}


def page_answer(description: str) -> Answer:
    """Return an answer that is a page for a browser."""
    return Answer(description, {HTML: TEXT})


def redirect_answer(description: str) -> Answer:
    """Return an answer that sends the client to another address, with a GET."""
    return Answer(description, headers=("Location",))


NO_CONTENT: Final = Answer("Success; no content.")
"""The answer with status 204."""


def json_body(model: type[ModelT], most_bytes: int = SMALL_BODY_BYTES) -> Body[ModelT]:
    """Return a body of JSON that is read and checked before the handler is called."""
    return Body({JSON: model}, most_bytes, model)


def unread_body(
    contents: Mapping[str, Shape | Callable[[Settings], Model]],
    description: str = "",
    *,
    most_bytes: int | Callable[[Settings], int] = SMALL_BODY_BYTES,
    is_required: bool = True,
) -> Body[None]:
    """Return a body that the handler reads, because something else has to be checked first."""
    return Body(contents, most_bytes, None, is_required, description)


def upload_body(description: str) -> Body[None]:
    """Return a body of bytes, whatever their ``Content-Type``, that the handler reads as they arrive."""
    return unread_body(
        {"application/octet-stream": BYTES}, description, most_bytes=lambda settings: settings.max_upload_bytes
    )


def _first_paragraph(model: Model) -> str:
    return published(cleandoc(model.__doc__ or "").partition("\n\n")[0])
