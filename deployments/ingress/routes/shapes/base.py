"""The base of all shapes: a shape names every key of an answer."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

Time = Annotated[AwareDatetime, Field(examples=["2026-03-01T12:00:00.123456+00:00"])]
HexId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", max_length=32)]
Absent = SkipJsonSchema[None]
"""The type of a key that may be left out and is never null."""


class Shape(BaseModel):
    """An answer that has no keys but its fields."""

    model_config = ConfigDict(extra="forbid")


class Done(Shape):
    """Success."""

    success: Literal[True]


class StatusOk(Shape):
    """Success."""

    status: Literal["OK"]
