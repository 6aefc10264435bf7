"""What a route says of itself in ``/openapi.json``: what it takes, what it answers.

Nothing here touches a request: handlers read and check what they need, and the tests hold both together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias  # Any: JSON Schema

from pydantic import BaseModel

from deployments.settings import Settings

Schema: TypeAlias = Mapping[str, Any]
Model: TypeAlias = type[BaseModel]
Shape: TypeAlias = Model | Schema
"""A model of what is sent, or a schema where no model says it."""

Access = Literal["open", "optional", "key", "user", "admin"]
"""Who may call: anybody; anybody, with more to see for somebody signed in; a personal key; a user; an administrator."""

TEXT: Final[Schema] = {"type": "string"}
BYTES: Final[Schema] = {"type": "string", "format": "binary"}
HTML: Final = "text/html"
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something in the path, the query or the headers. ``schema`` is that of its value as it is meant, not as text."""

    name: str
    description: str
    schema: Schema
    example: Any = None
    place: Literal["path", "query", "header"] = "query"
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """What a request brings, by media type. A function is given this server's settings and answers the model."""

    contents: Mapping[str, Shape | Callable[[Settings], Model]]
    is_required: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one status that is no error means. ``headers`` names those beside ``X-Request-Id``; see ``headers.py``."""

    description: str
    contents: Mapping[str, Shape] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    links: Mapping[str, Schema] = field(default_factory=dict)


def json_answer(shape: Shape, description: str = "", **more: Any) -> Answer:
    """An answer of JSON; without a ``description`` the first line of the model's docstring is it."""
    said = description or (_first_line(shape) if isinstance(shape, type) else "")
    return Answer(said, {JSON: shape}, **more)


def link(operation: str, **parameters: str) -> Schema:
    """To an operation that takes what this answer tells: its id, and runtime expressions for its parameters."""
    return {"operationId": operation, "parameters": parameters}


def page_answer(description: str) -> Answer:
    """A page for a browser."""
    return Answer(description, {HTML: TEXT})


def redirect_answer(description: str) -> Answer:
    """To another address, with a GET."""
    return Answer(description, headers=("Location",))


NOTHING: Final = Answer("Done; nothing more is said.")
"""204."""


def json_body(model: Model | Callable[[Settings], Model], *, is_required: bool = True) -> Body:
    """A body of JSON."""
    return Body({JSON: model}, is_required)


def upload_body(description: str) -> Body:
    """Bytes, whatever their ``Content-Type``."""
    return Body({"application/octet-stream": BYTES}, description=description)


def _first_line(model: Model) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]
