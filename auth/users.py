"""Accounts: who may sign in, and which tokens of theirs still count."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any  # Row[Any]: rows are read by column name, which SQLAlchemy does not type

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from auth.errors import InvalidCredentials, InvalidUsername, Unauthenticated, UnknownUser, UserExists
from auth.passwords import Passwords, check_strength
from auth.principal import Principal
from catalog.engine import Catalog
from catalog.tables import users

_USERNAME = re.compile(r"(?!\.\.?$)[\w.@+-]{1,150}")


@dataclass(frozen=True, slots=True)
class Account:
    """A user as operators see them, active or not."""

    principal: Principal
    is_active: bool
    created_at: datetime


class Users:
    """The accounts in one catalog. Every method blocks on SQL, and those that take a password on its hash."""

    def __init__(self, catalog: Catalog, passwords: Passwords | None = None) -> None:
        self._catalog = catalog
        self._passwords = passwords or Passwords()

    def add(self, username: str, password: str, email: str = "", name: str = "", is_admin: bool = False) -> Principal:
        """A new active user. Raises ``InvalidUsername``, ``WeakSecret``, ``UserExists``."""
        if not _USERNAME.fullmatch(_normal(username)):
            raise InvalidUsername(username)
        username = _normal(username)
        check_strength(password)
        password_hash = self._passwords.hash(password)
        now = datetime.now(UTC)
        account = {
            "username": username,
            "email": email,
            "name": name,
            "is_admin": is_admin,
            "is_active": True,
        }
        with self._catalog.write() as connection:
            if _row(connection, username) is not None:
                raise UserExists(username)
            connection.execute(
                sa.insert(users).values(**account, password_hash=password_hash, created_at=now, tokens_valid_from=now)
            )
            return _principal(user_row(connection, username))

    def authenticate(self, username: str, password: str) -> Principal:
        """Who signs in with these; else, after the same time whatever was wrong, ``InvalidCredentials``."""
        username = _normal(username)
        with self._catalog.read() as connection:
            found = _row(connection, username) if _USERNAME.fullmatch(username) else None
        if not self._passwords.verify(found.password_hash if found else None, password) or found is None:
            raise InvalidCredentials
        # Hashing takes long enough for the password to be changed meanwhile: what was verified must still
        # hold.
        with self._catalog.read() as connection:
            now = _row(connection, username)
        if now is None or not now.is_active or now.password_hash != found.password_hash:
            raise InvalidCredentials
        if self._passwords.is_outdated(found.password_hash):
            self._renew_hash(found, password)
        return _principal(now)

    def set_password(self, username: str, password: str) -> None:
        """Replaces the password and ends all tokens issued so far. Raises ``WeakSecret``, ``UnknownUser``."""
        check_strength(password)
        password_hash = self._passwords.hash(password)
        with self._catalog.write() as connection:
            row = user_row(connection, username)
            connection.execute(
                sa.update(users)
                .where(users.c.id == row.id)
                .values(password_hash=password_hash, tokens_valid_from=datetime.now(UTC))
            )

    def active(self, user_id: int, issued_at: float) -> Principal:
        """Whom a verified token speaks for.

        ``issued_at`` is the token's, in Unix seconds. ``Unauthenticated`` where the user is gone or disabled,
        or where the token is older than the user's last change of password.
        """
        with self._catalog.read() as connection:
            row = connection.execute(sa.select(users).where(users.c.id == user_id)).one_or_none()
        if row is None or not row.is_active or issued_at < row.tokens_valid_from.timestamp():
            raise Unauthenticated
        return _principal(row)

    def get(self, username: str) -> Principal:
        """The user of that name, active or not. Raises ``UnknownUser``."""
        with self._catalog.read() as connection:
            return _principal(user_row(connection, username))

    def disable(self, username: str) -> None:
        """Locks the user out and ends every token issued so far. Raises ``UnknownUser``."""
        with self._catalog.write() as connection:
            row = user_row(connection, username)
            connection.execute(
                sa.update(users)
                .where(users.c.id == row.id)
                .values(is_active=False, tokens_valid_from=datetime.now(UTC))
            )

    def count(self) -> int:
        """How many users there are, active or not."""
        with self._catalog.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(users)).scalar_one())

    def list(self) -> tuple[Account, ...]:
        """All users, by name."""
        with self._catalog.read() as connection:
            rows = connection.execute(sa.select(users).order_by(users.c.username)).all()
        return tuple(Account(_principal(row), bool(row.is_active), row.created_at) for row in rows)

    def _renew_hash(self, row: Row[Any], password: str) -> None:
        password_hash = self._passwords.hash(password)
        with self._catalog.write() as connection:
            connection.execute(
                sa.update(users)
                .where(users.c.id == row.id, users.c.password_hash == row.password_hash)
                .values(password_hash=password_hash)
            )


def user_row(connection: Connection, username: str) -> Row[Any]:
    """The row of ``users`` with that name. Raises ``UnknownUser``."""
    normal = _normal(username)
    row = _row(connection, normal) if _USERNAME.fullmatch(normal) else None
    if row is None:
        raise UnknownUser(username)
    return row


def _normal(username: str) -> str:
    return unicodedata.normalize("NFKC", username)  # one name, however a keyboard composed it


def _row(connection: Connection, normal: str) -> Row[Any] | None:
    return connection.execute(sa.select(users).where(users.c.username == normal)).one_or_none()


def _principal(row: Row[Any]) -> Principal:
    return Principal(int(row.id), row.username, row.email, row.name, bool(row.is_admin))
