"""Pages of a listing, from whatever numbers a client sent."""

from typing import Any  # Any: a query's row type is no concern of its window

import sqlalchemy as sa

MAXIMUM_PAGE = 1000
_MAXIMUM_OFFSET = 2**62  # what a database's integers hold


def window(query: sa.Select[Any], limit: int, offset: int) -> sa.Select[Any]:
    """The query cut to ``limit`` rows (at most 1000) from ``offset`` on. Negative numbers count as none."""
    return query.limit(min(max(limit, 0), MAXIMUM_PAGE)).offset(min(max(offset, 0), _MAXIMUM_OFFSET))
