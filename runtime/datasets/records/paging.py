"""Pages of a list, for any numbers that a client sends."""

from typing import Any  # Any: the row type of a query does not matter here

import sqlalchemy as sa

MAXIMUM_PAGE = 1000
_MAXIMUM_OFFSET = 2**62  # fits the integers of every database


def window(query: sa.Select[Any], limit: int, offset: int) -> sa.Select[Any]:
    """Limit the query to ``limit`` rows (at most 1000) from ``offset`` on. Negative numbers count as 0."""
    return query.limit(min(max(limit, 0), MAXIMUM_PAGE)).offset(min(max(offset, 0), _MAXIMUM_OFFSET))
