"""Parameters that several routes take. Those in paths are known by their name, which means the same everywhere."""

from typing import Final

from auth.flags import KNOWN as FLAGS
from deployments.ingress.routing.declarations import Parameter, Schema
from deployments.ingress.web.assets import MEDIA_TYPES
from runtime.datasets.file_types import FILE_TYPES

TYPES_IN_PATHS: Final = tuple(kind.name for kind in FILE_TYPES if kind.in_path)

_ID: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 150}


def _path(name: str, description: str, schema: Schema, example: str) -> Parameter:
    return Parameter(name, description, schema, example, "path", is_required=True)


IN_PATHS: Final = {
    parameter.name: parameter
    for parameter in (
        _path("dataset_id", "The dataset.", _ID, "0a56aa27ec1e4112b1458e960dc6f674"),
        _path("file_id", "The file.", _ID, "5a0b3f3dd9a44f58b9c1c3f3a4b7f0d2"),
        _path("run_id", "The run.", _ID, "c1d0f1b8a3d94b0f9d3f1c9a7e5b2a40"),
        _path("key_id", "The personal key's id, without its secret.", _ID, "7f1c2d3e4b5a69788796a5b4c3d2e1f0"),
        _path("role", "Which table this is.", {"type": "string", "enum": ["nodes", "edges"]}, "edges"),
        _path("file_type", "What the bytes are.", {"type": "string", "enum": list(TYPES_IN_PATHS)}, "csv"),
        _path("username", "A user's name.", _NAME, "ann"),
        _path("slug", "An organization's slug; a user's own is called as he is.", _NAME, "acme"),
        _path("group", "A group's name.", _NAME, "analysts"),
        _path("flag", "A feature flag.", {"type": "string", "enum": list(FLAGS)}, FLAGS[1]),
        _path("name", "A file's name.", {"type": "string", "enum": list(MEDIA_TYPES)}, "style.css"),
    )
}
"""By name."""

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 99_999_999_999}
"""What ``deployments/ingress/body.py`` reads as a number."""

NAME: Final = {"pattern": r"^[\p{L}\p{N}_.@+-]{1,150}$"}
"""Of users and groups."""

PAGE: Final = (
    Parameter("limit", "How many at most; more than 1000 are 1000.", {**_COUNT, "default": 100}, 20),
    Parameter("offset", "How many to pass over.", {**_COUNT, "default": 0}, 0),
)
"""Of every list that is answered in pages."""
