"""Pages of a list, for any numbers that a client sends, without the long columns of its rows."""

from typing import Any, Final  # Any: the row type of a query does not matter here

import sqlalchemy as sa

MAXIMUM_PAGE = 1000
_MAXIMUM_OFFSET = 2**62  # fits the integers of every database

LISTED_BYTES: Final = 4096
"""A list shows a column of JSON only if it is no longer."""

LISTED_CHARACTERS: Final = 1000
"""A list cuts a text after so many."""


def listed_json(column: sa.ColumnElement[Any], size: sa.ColumnElement[int] | None = None) -> sa.ColumnElement[Any]:
    """Return the column for a list: null where it is long. ``size`` is its length in bytes, if that is stored."""
    length = sa.func.length(sa.cast(column, sa.Text)) if size is None else size
    return sa.case((length <= LISTED_BYTES, column), else_=sa.null())


def listed_text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return the column for a list: a long text is cut."""
    return sa.func.substr(column, 1, LISTED_CHARACTERS)


def window(query: sa.Select[Any], limit: int, offset: int) -> sa.Select[Any]:
    """Limit the query to ``limit`` rows (at most 1000) from ``offset`` on. Negative numbers count as 0."""
    return query.limit(min(max(limit, 0), MAXIMUM_PAGE)).offset(min(max(offset, 0), _MAXIMUM_OFFSET))
