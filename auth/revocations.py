"""Log-ins that ended before their tokens expired: the user signed out, or their personal key was revoked."""

from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from catalog.engine import Catalog
from catalog.tables import personal_keys, revoked_tokens

_KEPT: Final = timedelta(hours=1)
"""Rows stay longer than they are needed, because clocks differ."""


class Revocations:
    """Ended log-ins in one catalog. Every method blocks on SQL."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def end(self, session: str, until: float) -> None:
        """End a log-in. Idempotent. ``until`` is when its last token will have expired, in Unix seconds."""
        with self._catalog.write() as connection:
            if not has_ended(connection, session, None):
                expires_at = datetime.fromtimestamp(until, UTC)
                connection.execute(sa.insert(revoked_tokens).values(jti=session, expires_at=expires_at))

    def forget_expired(self) -> int:
        """Remove the rows of log-ins whose tokens have all expired. Returns the number of removed rows."""
        last = datetime.now(UTC) - _KEPT
        with (
            self._catalog.append() as connection
        ):  # cached answers stay right, so the catalog's version need not change
            return connection.execute(sa.delete(revoked_tokens).where(revoked_tokens.c.expires_at < last)).rowcount


def has_ended(connection: Connection, session: str | None, key_id: str | None) -> bool:
    """Return True if the log-in was ended, or if the personal key that was used for it is revoked or gone."""
    if session is not None:
        ended = sa.select(revoked_tokens.c.jti).where(revoked_tokens.c.jti == session)
        if connection.execute(ended).first() is not None:
            return True
    if key_id is None:
        return False
    valid = sa.select(personal_keys.c.id).where(personal_keys.c.id == key_id, personal_keys.c.revoked_at.is_(None))
    return connection.execute(valid).first() is None
