"""The parts of a result that a request may ask for, their formats, and the kinds of result with their media types.

Each of them is listed here and nowhere else: a new format gets its media type here and its writer in ``encoding``.

This file imports nothing, so that the ingress and the command line can read it without pandas.
"""

from collections.abc import Iterable
from typing import Final, Literal, TypeVar, get_args

OutputType = Literal["json", "all", "nodes", "edges", "table", "shape"]
"""What a request may ask for: the returned value itself, or the tables of a graph (protocol 4.5)."""

Format = Literal["json", "csv", "parquet"]
"""How a request may ask for tables."""

ResultKind = Literal[Format, "text", "zip"]
"""What a result turns out to be: a table or value in its format, a bare string, or both tables of a graph."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def complete(table: dict[_Key, _Value], keys: Iterable[_Key]) -> dict[_Key, _Value]:
    """Return ``table``. Raise ``LookupError`` unless its keys are exactly ``keys``, so that a gap ends the import."""
    if different := set(table) ^ set(keys):
        raise LookupError(f"the table of {', '.join(map(str, table))} differs from its keys in {different}")
    return table


OUTPUT_TYPES: Final[tuple[OutputType, ...]] = get_args(OutputType)
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

RESULT_KINDS: Final = complete(
    {
        "json": "application/json",
        "text": "text/plain; charset=utf-8",
        "csv": "text/csv; charset=utf-8",
        "parquet": "application/vnd.apache.parquet",
        "zip": "application/zip",
    },
    get_args(ResultKind),
)
"""The ``Content-Type`` of each kind."""


def media_type(kind: ResultKind) -> str:
    """Return the media type of a kind, without parameters."""
    return RESULT_KINDS[kind].partition(";")[0]
