"""Parameters that several routes take. A name in a path means the same in every path."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from auth.flags import KNOWN as FLAGS
from auth.names import MOST_CHARACTERS
from deployments.ingress.errors import InvalidRequest, NotFound
from deployments.ingress.paging import MOST_OFFSET
from deployments.ingress.routing.declarations import Parameter, Schema
from deployments.ingress.web.assets import MEDIA_TYPES
from runtime.datasets.file_types import FILE_TYPES

_NUMBER_CHARACTERS: Final = 100

TYPES_IN_PATHS: Final = tuple(kind.name for kind in FILE_TYPES if kind.in_path)

_ID: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{32}$", "maxLength": 32}
_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}


def _path(name: str, description: str, schema: Schema, example: str) -> Parameter:
    return Parameter(name, description, schema, example, "path", is_required=True)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most characters of each parameter of a route, by name."""

    path: tuple[tuple[str, int], ...]
    query: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, parameters: Iterable[Parameter]) -> "Bounds":
        """Return the bounds of these parameters. Raises ``KeyError`` for a parameter that has none."""
        most = [(one.location, one.name, _most_characters(one.schema)) for one in parameters]
        return cls(
            path=tuple((name, count) for location, name, count in most if location == "path"),
            query=tuple((name, count) for location, name, count in most if location == "query"),
        )

    def check(self, request: Request) -> None:
        """Raise ``NotFound`` or ``InvalidRequest`` for a text that is longer than its parameter may be."""
        for name, most in self.path:
            if len(request.path_params[name]) > most:
                raise NotFound(f"no {name} has more than {most} characters")
        for name, most in self.query:
            if len(request.query_params.get(name, "")) > most:
                raise InvalidRequest(f"{name} must have at most {most} characters")


def _most_characters(schema: Schema) -> int:
    """Return the most characters of a parameter's text. Raises ``KeyError`` for a schema without a bound."""
    if "enum" in schema:
        return MOST_CHARACTERS
    if schema["type"] in ("integer", "boolean"):
        return _NUMBER_CHARACTERS
    most: int = schema["maxLength"]
    return most


IN_PATHS: Final = {
    parameter.name: parameter
    for parameter in (
        _path("dataset_id", "The id of the dataset.", _ID, "0a56aa27ec1e4112b1458e960dc6f674"),
        _path("file_id", "The id of the file.", _ID, "5a0b3f3dd9a44f58b9c1c3f3a4b7f0d2"),
        _path("run_id", "The id of the run.", _ID, "c1d0f1b8a3d94b0f9d3f1c9a7e5b2a40"),
        _path("key_id", "The id of the personal key, without its secret.", _ID, "7f1c2d3e4b5a69788796a5b4c3d2e1f0"),
        _path("role", "The role of the table.", {"type": "string", "enum": ["nodes", "edges"]}, "edges"),
        _path("file_type", "The type of the uploaded bytes.", {"type": "string", "enum": list(TYPES_IN_PATHS)}, "csv"),
        _path("username", "The name of the user.", _NAME, "ann"),
        _path("slug", "An organization's slug; a user's personal organization has the user's name.", _NAME, "acme"),
        _path("group", "The name of the group.", _NAME, "analysts"),
        _path("flag", "The name of the feature flag.", {"type": "string", "enum": list(FLAGS)}, FLAGS[1]),
        _path("name", "The name of the file.", {"type": "string", "enum": list(MEDIA_TYPES)}, "style.css"),
    )
}
"""The parameters in paths, by name."""

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": MOST_OFFSET}

NAME: Final = {"pattern": r"^[\p{L}\p{N}_.@+-]{1,150}$"}
"""Names of users and groups."""

PAGE: Final = (
    Parameter("limit", "Page size (at most 1000).", {**_COUNT, "default": 100}, 20),
    Parameter("offset", "Number of items to skip.", {**_COUNT, "default": 0}, 0),
)
"""The parameters of every list that comes in pages."""
