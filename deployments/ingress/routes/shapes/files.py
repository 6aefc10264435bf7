"""Files, as their owner sees them (protocol 2)."""

from typing import Annotated, Any

from pydantic import Field

from deployments.ingress.routes.shapes.base import HexId, Shape, Time
from deployments.ingress.routes.shapes.page import Page

FileId = Annotated[HexId, Field(examples=["5a0b3f3dd9a44f58b9c1c3f3a4b7f0d2"])]
Dtypes = Annotated[
    dict[str, str], Field(description="Type of each column, by name.", examples=[{"s": "str", "w": "float64"}])
]


class TableShown(Shape):
    """A table, as it was read."""

    name: str | None
    num_rows: int = Field(ge=0, examples=[3])
    num_cols: int = Field(ge=0, examples=[2])
    dtypes: Dtypes


class FileShown(Shape):
    """A file. What is known of its bytes is there once they came."""

    file_id: FileId
    file_type: str = Field(examples=["csv"])
    file_compression: str = Field(examples=[""])
    name: str | None = Field(examples=["transactions"])
    description: str | None
    parser_options: dict[str, Any]
    sql_transforms: list[str] = Field(max_length=0)
    agent_name: str | None
    agent_version: str | None
    author: int = Field(description="Its owner's id.", examples=[7])
    bytes_count: int | None = Field(ge=0, description="How many bytes were sent.", examples=[64])
    created_at: Time
    updated_at: Time
    is_valid: bool = Field(description="Whether its bytes came and are a table.", examples=[True])
    is_uploaded: bool = Field(examples=[True])
    errors: list[str] = Field(description="What was wrong with the bytes that came last.")
    tables_schemas: list[TableShown]


class FilePage(Page[FileShown]):
    """One's own files, newest first."""
