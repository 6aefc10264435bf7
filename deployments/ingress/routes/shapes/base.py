"""What all shapes of answers share: they name every key there is."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

Time = Annotated[AwareDatetime, Field(examples=["2026-03-01T12:00:00.123456+00:00"])]
HexId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Absent = SkipJsonSchema[None]
"""For a key that may be left out, and is never null."""


class Shape(BaseModel):
    """Keys that no field names are no part of an answer."""

    model_config = ConfigDict(extra="forbid")


class Done(Shape):
    """It is done."""

    success: Literal[True]


class StatusOk(Shape):
    """It is done, in the words that clients of this route read."""

    status: Literal["OK"]
