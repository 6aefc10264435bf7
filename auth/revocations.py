"""Log-ins that ended before their tokens expired: signed out, or made with a personal key that was revoked since."""

from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from catalog.engine import Catalog
from catalog.tables import personal_keys, revoked_tokens

_KEPT: Final = timedelta(hours=1)
"""Rows stay a little beyond their time: clocks differ."""


class Revocations:
    """Ends log-ins in one catalog. Blocks on SQL."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def end(self, session: str, until: float) -> None:
        """Ends a log-in whose last token will have expired ``until`` then, in Unix seconds. Twice is once."""
        with self._catalog.write() as connection:
            if not has_ended(connection, session, None):
                expires_at = datetime.fromtimestamp(until, UTC)
                connection.execute(sa.insert(revoked_tokens).values(jti=session, expires_at=expires_at))

    def forget_expired(self) -> int:
        """Drops the rows of log-ins whose tokens have all expired; how many."""
        last = datetime.now(UTC) - _KEPT
        with self._catalog.append() as connection:  # nothing that anybody remembers changes by it
            return connection.execute(sa.delete(revoked_tokens).where(revoked_tokens.c.expires_at < last)).rowcount


def has_ended(connection: Connection, session: str | None, key_id: str | None) -> bool:
    """Whether the log-in was ended, or the personal key it was made with is revoked or gone."""
    if session is not None:
        ended = sa.select(revoked_tokens.c.jti).where(revoked_tokens.c.jti == session)
        if connection.execute(ended).first() is not None:
            return True
    if key_id is None:
        return False
    valid = sa.select(personal_keys.c.id).where(personal_keys.c.id == key_id, personal_keys.c.revoked_at.is_(None))
    return connection.execute(valid).first() is None
