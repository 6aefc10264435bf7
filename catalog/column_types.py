"""Column types that behave alike on SQLite and PostgreSQL."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware ``datetime`` in UTC. Raises ``ValueError`` for a naive value, because that can only be a bug."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class UserText(sa.TypeDecorator[str]):
    """Text of any length that a user wrote.

    PostgreSQL stores no NUL and neither database stores a lone surrogate: both become U+FFFD, everywhere.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """Return the text as ``UserText`` stores it. A search needs this, because its value belongs to no column."""
    if text.isascii() and "\0" not in text:
        return text  # nearly every text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


# JSON and not JSONB, because the order of keys is part of what clients stored (protocol 3.1).
OrderedJSON = sa.JSON(none_as_null=True)
