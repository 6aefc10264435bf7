"""Personal keys: an id and a secret with which a program signs in instead of a password (protocol 1.5)."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final  # Any: Row[Any], read by column name
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from auth.errors import Forbidden, TokenInvalid, Unauthenticated, UnknownKey
from auth.listing import MOST_LISTED
from auth.principal import Principal
from auth.users import Users
from catalog.engine import Catalog
from catalog.tables import personal_keys

MOST_KEYS: Final = 100
"""The most keys that a user can have. Beside them the list has as many revoked keys; older ones are forgotten."""

_SECRET_BYTES: Final = 32
_ID: Final = re.compile(r"[0-9a-f]{32}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_HEADER_CHARACTERS: Final = 512
NAME_CHARACTERS: Final = 200
"""The name of a key is cut after so many."""

_USE_RECORDED_EVERY: Final = timedelta(minutes=1)
_NO_HASH: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class PersonalKey:
    """A key as its owner sees it. Its secret was shown once and is not stored."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A new key with its secret."""

    key: PersonalKey
    secret: str

    def __repr__(self) -> str:
        return f"NewKey({self.key!r}, '********')"


class PersonalKeys:
    """The personal keys in one catalog. Every method blocks on SQL."""

    def __init__(self, catalog: Catalog, users: Users) -> None:
        self._catalog = catalog
        self._users = users

    def create(self, user_id: int, name: str) -> NewKey:
        """Create a key whose secret has 256 random bits; only their SHA-256 is stored.

        Raises ``Forbidden`` if the user has ``MOST_KEYS`` keys.
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        key = PersonalKey(uuid4().hex, name[:NAME_CHARACTERS], datetime.now(UTC), None, None)
        living = sa.select(sa.func.count()).select_from(personal_keys)
        living = living.where(personal_keys.c.user_id == user_id, personal_keys.c.revoked_at.is_(None))
        with self._catalog.write() as connection:
            if connection.execute(living).scalar_one() >= MOST_KEYS:
                raise Forbidden(f"you have {MOST_KEYS} personal keys, the most that are allowed; revoke one first")
            _forget_revoked(connection, user_id)
            row = {"id": key.id, "user_id": user_id, "name": key.name, "created_at": key.created_at}
            connection.execute(sa.insert(personal_keys).values(**row, secret_hash=_hash(secret)))
        return NewKey(key, secret)

    def list(self, user_id: int) -> tuple[PersonalKey, ...]:
        """Return the user's keys, newest first, revoked keys too."""
        query = sa.select(personal_keys).where(personal_keys.c.user_id == user_id)
        with self._catalog.read() as connection:
            rows = connection.execute(
                query.order_by(personal_keys.c.created_at.desc(), personal_keys.c.id).limit(MOST_LISTED)
            ).all()
        return tuple(_key(row) for row in rows)

    def revoke(self, user_id: int, key_id: str) -> None:
        """End the key and every token that was issued for it. Idempotent.

        Raises ``UnknownKey``, also for another user's key.
        """
        own = (personal_keys.c.id == key_id, personal_keys.c.user_id == user_id)
        if not _ID.fullmatch(key_id):
            raise UnknownKey(key_id)
        with self._catalog.write() as connection:
            row = connection.execute(sa.select(personal_keys).where(*own)).one_or_none()
            if row is None:
                raise UnknownKey(key_id)
            if row.revoked_at is None:
                connection.execute(sa.update(personal_keys).where(*own).values(revoked_at=datetime.now(UTC)))

    def authenticate(self, key_id: str, secret: str) -> Principal:
        """Return the key's owner.

        Raises ``Unauthenticated`` if the key is unknown or revoked, the secret is wrong, or the owner is disabled.
        """
        now = datetime.now(UTC)
        with self._catalog.read() as connection:
            row = connection.execute(sa.select(personal_keys).where(personal_keys.c.id == key_id)).one_or_none()
        right = hmac.compare_digest(_hash(secret), row.secret_hash if row else _NO_HASH)
        if row is None or not right or row.revoked_at is not None:
            raise Unauthenticated
        principal = self._users.active(int(row.user_id), now.timestamp())
        if row.last_used_at is None or now - row.last_used_at > _USE_RECORDED_EVERY:
            with self._catalog.append() as connection:
                connection.execute(
                    sa.update(personal_keys).where(personal_keys.c.id == key_id).values(last_used_at=now)
                )
        return principal


def read_header(header: str) -> tuple[str, str]:
    """Return id and secret of an ``Authorization: PersonalKey id:secret`` header. Raises ``TokenInvalid``."""
    scheme, _, rest = header[:_HEADER_CHARACTERS].strip().partition(" ")
    key_id, _, secret = rest.strip().partition(":")
    if scheme.lower() != "personalkey" or not _ID.fullmatch(key_id) or not _SECRET.fullmatch(secret):
        raise TokenInvalid("not a personal key")
    return key_id, secret


def _forget_revoked(connection: Connection, user_id: int) -> None:
    """Delete a user's revoked keys but the newest. A key that is gone is worth as little as one that is revoked."""
    revoked = sa.select(personal_keys.c.id).where(
        personal_keys.c.user_id == user_id, personal_keys.c.revoked_at.is_not(None)
    )
    old = revoked.order_by(personal_keys.c.revoked_at.desc(), personal_keys.c.id).limit(MOST_LISTED).offset(MOST_KEYS)
    ids = list(connection.execute(old).scalars())
    if ids:
        connection.execute(sa.delete(personal_keys).where(personal_keys.c.id.in_(ids)))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: Row[Any]) -> PersonalKey:
    return PersonalKey(row.id, row.name, row.created_at, row.last_used_at, row.revoked_at)
