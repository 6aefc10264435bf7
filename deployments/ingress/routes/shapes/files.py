"""Files, as their owner sees them (protocol 2)."""

from typing import Annotated, Any

from pydantic import Field

from deployments.ingress.routes.shapes.base import HexId, Shape, Time
from deployments.ingress.routes.shapes.page import Page

FileId = Annotated[HexId, Field(examples=["5a0b3f3dd9a44f58b9c1c3f3a4b7f0d2"])]
Dtypes = Annotated[
    dict[str, str], Field(description="The type of each column, by name.", examples=[{"s": "str", "w": "float64"}])
]


class TableShown(Shape):
    """The table that was read."""

    name: str | None
    num_rows: int = Field(ge=0, examples=[3])
    num_cols: int = Field(ge=0, examples=[2])
    dtypes: Dtypes


class FileShown(Shape):
    """A file. The fields about its bytes are filled in after an upload."""

    file_id: FileId
    file_type: str = Field(examples=["csv"])
    file_compression: str = Field(examples=[""])
    name: str | None = Field(examples=["transactions"])
    description: str | None
    parser_options: dict[str, Any]
    sql_transforms: list[str] = Field(max_length=0)
    agent_name: str | None
    agent_version: str | None
    author: int = Field(description="The id of its owner.", examples=[7])
    bytes_count: int | None = Field(ge=0, description="The number of bytes that were sent.", examples=[64])
    created_at: Time
    updated_at: Time
    is_valid: bool = Field(description="True if the uploaded bytes are a table.", examples=[True])
    is_uploaded: bool = Field(examples=[True])
    errors: list[str] = Field(description="What was wrong with the last upload.")
    tables_schemas: list[TableShown]


class FilePage(Page[FileShown]):
    """Your own files, newest first."""
