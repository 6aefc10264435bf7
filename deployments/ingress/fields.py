"""The types of fields in bodies and answers. Each has its bound, which holds before anything else sees the value.

A field of a body or an answer is one of these, or has a bound of its own: a test walks all models and fails for a field
without one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final  # Any: JSON

import orjson
from annotated_types import Ge, Le
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from auth.jose import MAXIMUM_BYTES as TOKEN_BYTES
from auth.names import MOST_CHARACTERS, MOST_EMAIL
from auth.passwords import MAXIMUM_BYTES as PASSWORD_BYTES
from runtime.uploads import MOST_PARTS

LARGEST_WHOLE: Final = 2**53 - 1
"""The largest whole number that every JSON parser reads exactly."""

Name = Annotated[str, Field(max_length=MOST_CHARACTERS)]
"""A name of a user, a group or an organization, as somebody typed it."""

MOST_INVITES: Final = 1000
"""The most invitations to one dataset."""

Email = Annotated[str, Field(max_length=MOST_EMAIL)]
Password = Annotated[str, Field(max_length=PASSWORD_BYTES)]
Token = Annotated[str, Field(max_length=TOKEN_BYTES * 3 // 2)]
"""A token that somebody sends. One that is longer than any can be is told to be invalid, like all others."""

Word = Annotated[str, Field(max_length=64)]
"""One of few words, or an id."""

MOST_TITLE: Final = 1000  # characters
Title = Annotated[str, Field(max_length=MOST_TITLE)]
"""What people call a thing: a line of text."""

Agent = Annotated[str, Field(max_length=200)]
"""The name or the version of a client."""

Link = Annotated[str, Field(max_length=8192)]
"""An address of this server, with the query that it was asked with."""

Prose = Annotated[str, Field(max_length=10_000)]
"""A description or a message."""

Whole = Annotated[int, Ge(0), Le(LARGEST_WHOLE)]
"""A number of things, or a size in bytes."""

Id = Annotated[int, Ge(0), Le(LARGEST_WHOLE)]
Seconds = Annotated[float, Ge(0), Le(1e9)]


@dataclass(frozen=True, slots=True)
class MostJson:
    """Bounds a value of any shape: it has at most ``byte_count`` bytes as JSON."""

    byte_count: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-max-bytes": self.byte_count}

    def _checked(self, value: Any) -> Any:
        if isinstance(value, dict | list | str) and json_bytes(value) > self.byte_count:
            raise PydanticCustomError(
                "json_too_long", "must have at most {most} bytes as JSON", {"most": self.byte_count}
            )
        return value


@dataclass(frozen=True, slots=True)
class CutAt:
    """Bounds a text: what is longer loses its end."""

    most_characters: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(lambda text: text[: self.most_characters], handler(source))


@dataclass(frozen=True, slots=True)
class MostBySetting:
    """Says that a setting of the server bounds a text in an answer."""

    setting: str


def json_bytes(value: Any) -> int:
    """Return the length of a value as JSON."""
    return len(orjson.dumps(value))


OPTIONS_BYTES: Final = 64 * 1024
"""The most bytes of parser options, and of a dataset's metadata."""

DESCRIPTION_BYTES: Final = 4 * 1024 * 1024
"""The most bytes of a dataset's description: its encodings may have a value for each of many categories."""

Options = Annotated[dict[str, Any], MostJson(OPTIONS_BYTES)]
AnyShort = Annotated[Any, MostJson(OPTIONS_BYTES)]
Described = Annotated[dict[str, Any], MostJson(DESCRIPTION_BYTES)]
FileList = Annotated[list[Any], Field(max_length=MOST_PARTS), MostJson(OPTIONS_BYTES)]
Versions = Annotated[dict[Word, Word], Field(max_length=100)]

Dtypes = Annotated[
    Mapping[str, str],
    Field(description="The type of each column, by name.", examples=[{"s": "str", "w": "float64"}]),
    MostJson(DESCRIPTION_BYTES),
]
