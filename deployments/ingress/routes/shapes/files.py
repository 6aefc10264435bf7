"""Files, as their owner sees them (protocol 2)."""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field

from deployments.ingress.fields import Agent, Dtypes, Id, Options, Prose, Title, Whole, Word
from deployments.ingress.routes.shapes.base import HexId, Shape, Time
from deployments.ingress.routes.shapes.page import Page
from runtime.datasets.records import LISTED_BYTES, MOST_ERRORS

_LEFT_OUT: Final = f"null if this is longer than {LISTED_BYTES} bytes: get the file for it."

FileId = Annotated[HexId, Field(examples=["5a0b3f3dd9a44f58b9c1c3f3a4b7f0d2"])]


class TableListed(Shape):
    """The table that was read, in a list of files."""

    name: Title | None
    num_rows: Whole = Field(examples=[3])
    num_cols: Whole = Field(examples=[2])
    dtypes: Dtypes | None = Field(description=f"The type of each column, by name; {_LEFT_OUT}")


class TableShown(TableListed):
    """The table that was read."""

    dtypes: Dtypes


class FileListed(Shape):
    """A file in a list. The fields about its bytes are filled in after an upload."""

    file_id: FileId
    file_type: Word = Field(examples=["csv"])
    file_compression: Word = Field(examples=[""])
    name: Title | None = Field(examples=["transactions"])
    description: Prose | None
    parser_options: Options | None = Field(description=f"Options of the parser; {_LEFT_OUT}")
    sql_transforms: list[Word] = Field(max_length=0)
    agent_name: Agent | None
    agent_version: Agent | None
    author: Id = Field(description="The id of its owner.", examples=[7])
    bytes_count: Whole | None = Field(description="The number of bytes that were sent.", examples=[64])
    created_at: Time
    updated_at: Time
    is_valid: bool = Field(description="True if the uploaded bytes are a table.", examples=[True])
    is_uploaded: bool = Field(examples=[True])
    errors: Annotated[list[Prose], Field(max_length=MOST_ERRORS)] | None = Field(
        description=f"What was wrong with the last upload; {_LEFT_OUT}"
    )
    tables_schemas: Sequence[TableListed] = Field(max_length=1)


class FileShown(FileListed):
    """A file. The fields about its bytes are filled in after an upload."""

    parser_options: Options
    errors: Annotated[list[Prose], Field(max_length=MOST_ERRORS)] = Field(
        description="What was wrong with the last upload."
    )
    tables_schemas: Sequence[TableShown] = Field(max_length=1)


class FilePage(Page[FileListed]):
    """Your own files, newest first."""
