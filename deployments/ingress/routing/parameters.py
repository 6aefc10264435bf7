"""Parameters that several routes take. A name in a path means the same in every path."""

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

_COUNT: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 99_999_999_999}
"""The numbers that ``deployments/ingress/body.py`` accepts."""

NAME: Final = {"pattern": r"^[\p{L}\p{N}_.@+-]{1,150}$"}
"""Names of users and groups."""

PAGE: Final = (
    Parameter("limit", "Page size (at most 1000).", {**_COUNT, "default": 100}, 20),
    Parameter("offset", "Number of items to skip.", {**_COUNT, "default": 0}, 0),
)
"""The parameters of every list that comes in pages."""
