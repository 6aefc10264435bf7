"""Accounts: who may sign in, and which of their tokens still count."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any  # Row[Any]: rows are read by column name, which SQLAlchemy does not type

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from auth.errors import Forbidden, InvalidCredentials, InvalidUsername, Unauthenticated, UnknownUser, UserExists
from auth.folds import fold, kept_fold, kept_folds, mixes_scripts, unusual_character
from auth.listing import MOST_LISTED
from auth.names import normal
from auth.passwords import Passwords, check_strength
from auth.principal import Principal
from auth.revocations import has_ended
from catalog.engine import Catalog
from catalog.tables import organizations, users

_USERNAME = re.compile(r"(?!\.\.?$)[\w.@+-]{1,150}")
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Accepts tokens that another server issued before the account existed."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user as administrators see them, active or not."""

    principal: Principal
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A name that somebody sent, and the password hash of its user; None if nobody has the name.

    ``renewed_hash`` replaces a hash that was made with earlier parameters, once the password is known to be right.
    """

    username: str
    password_hash: str | None = field(repr=False)
    renewed_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HashedPassword:
    """The hash of a password that is strong enough."""

    text: str = field(repr=False)


class Users:
    """The accounts in one catalog. Every method blocks on SQL, and on hashing if it takes a password."""

    def __init__(self, catalog: Catalog, passwords: Passwords | None = None) -> None:
        self._catalog = catalog
        self._passwords = passwords or Passwords()

    def add(
        self, username: str, password: str | HashedPassword, email: str = "", name: str = "", is_admin: bool = False
    ) -> Principal:
        """Add an active user. Raises ``InvalidUsername``, ``WeakSecret``, ``UserExists``."""
        check_new_username(username)
        password_hash = self.hashed(password).text
        return self._add(username, password_hash, email, name, is_admin, valid_from=datetime.now(UTC))

    def add_without_password(self, username: str, email: str = "", name: str = "") -> Principal:
        """Add an active user who signs in at another server and has no password.

        Raises ``InvalidUsername``, ``UserExists``.
        """
        check_new_username(username)
        return self._add(username, self._passwords.hash_of_nothing(), email, name, is_admin=False, valid_from=_ALWAYS)

    def authenticate(self, username: str, password: str) -> Principal:
        """Return the active user with this name and password. Raises ``InvalidCredentials``.

        A failure takes the same time whatever its reason. The same in three steps, because only the second is slow:
        ``claim``, ``check`` and ``confirm``.
        """
        return self.confirm(self.check(self.claim(username), password))

    def claim(self, username: str) -> Claim:
        """Return what a caller claims who sends this name, whether or not a user has it."""
        username = normal(username)
        with self._catalog.read() as connection:
            found = _row(connection, username) if _USERNAME.fullmatch(username) else None
        return Claim(username, None if found is None else found.password_hash)

    def check(self, claim: Claim, password: str) -> Claim:
        """Return the claim if the password is right. Hashes, and asks the catalog nothing.

        Raises ``InvalidCredentials``, after the same time if nobody has the name.
        """
        if not self._passwords.verify(claim.password_hash, password) or claim.password_hash is None:
            raise InvalidCredentials(None if claim.password_hash is None else claim.username)
        if self._passwords.is_outdated(claim.password_hash):
            return replace(claim, renewed_hash=self._passwords.hash(password))
        return claim

    def confirm(self, claim: Claim) -> Principal:
        """Return the active user of a claim that was checked. Raises ``InvalidCredentials``.

        The password may have been changed while it was hashed, so what was checked must still hold.
        """
        with self._catalog.read() as connection:
            now = _row(connection, claim.username)
        if now is None or not now.is_active or now.password_hash != claim.password_hash:
            raise InvalidCredentials(claim.username)
        if claim.renewed_hash is not None:
            self._renew_hash(now, claim.renewed_hash)
        return _principal(now)

    def hashed(self, password: str | HashedPassword) -> HashedPassword:
        """Return the hash of a new password. Hashes, and asks the catalog nothing. Raises ``WeakSecret``."""
        if isinstance(password, HashedPassword):
            return password
        check_strength(password)
        return HashedPassword(self._passwords.hash(password))

    def set_password(self, username: str, password: str | HashedPassword) -> None:
        """Replace the password and end every token issued so far. Raises ``WeakSecret``, ``UnknownUser``."""
        password_hash = self.hashed(password).text
        with self._catalog.write() as connection:
            row = user_row(connection, username)
            _change(connection, row, password_hash=password_hash, tokens_valid_from=datetime.now(UTC))

    def active(
        self, user_id: int, issued_at: float, session: str | None = None, key_id: str | None = None
    ) -> Principal:
        """Return the user of a verified token.

        ``issued_at`` is the token's, in Unix seconds; ``session`` is its log-in and ``key_id`` the personal key that
        was used for it. Raises ``Unauthenticated`` if the user is gone or disabled, if the user's tokens were ended
        after this one was issued, or if the log-in was ended or the key revoked.
        """
        with self._catalog.read() as connection:
            row = connection.execute(sa.select(users).where(users.c.id == user_id)).one_or_none()
            ended = has_ended(connection, session, key_id)
        if ended or row is None or not row.is_active or issued_at < row.tokens_valid_from.timestamp():
            raise Unauthenticated
        return _principal(row)

    def named(self, username: str, issued_at: float, session: str) -> Principal:
        """Return the user of a verified token of another server, which knows only the name.

        Raises ``UnknownUser``, and ``Unauthenticated`` as ``active`` does.
        """
        return self.active(self.get(username).user_id, issued_at, session)

    def get(self, username: str) -> Principal:
        """Return the user with that name, active or not. Raises ``UnknownUser``."""
        with self._catalog.read() as connection:
            return _principal(user_row(connection, username))

    def disable(self, username: str) -> Principal:
        """Disable the user and end every token issued so far.

        Raises ``UnknownUser``, and ``Forbidden`` for the last active administrator.
        """
        with self._catalog.write() as connection:
            row = user_row(connection, username)
            others = sa.select(users.c.id).where(users.c.is_admin, users.c.is_active, users.c.id != row.id)
            if row.is_admin and row.is_active and connection.execute(others.limit(1)).first() is None:
                raise Forbidden("the last active administrator cannot be disabled")
            _change(connection, row, is_active=False, tokens_valid_from=datetime.now(UTC))
            return _principal(row)

    def enable(self, username: str) -> Principal:
        """Let the user sign in again. Their earlier tokens stay invalid. Raises ``UnknownUser``."""
        with self._catalog.write() as connection:
            row = user_row(connection, username)
            _change(connection, row, is_active=True)
            return _principal(row)

    def end_sessions(self, username: str) -> Principal:
        """End every token issued so far (protocol 1.9). Raises ``UnknownUser``."""
        with self._catalog.write() as connection:
            row = user_row(connection, username)
            _change(connection, row, tokens_valid_from=datetime.now(UTC))
            return _principal(row)

    def count(self) -> int:
        """Return the number of users, active or not."""
        with self._catalog.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(users)).scalar_one())

    def list(self) -> tuple[Account, ...]:
        """Return all users, sorted by name."""
        with self._catalog.read() as connection:
            rows = connection.execute(sa.select(users).order_by(users.c.username).limit(MOST_LISTED)).all()
        return tuple(Account(_principal(row), bool(row.is_active), row.created_at) for row in rows)

    def _add(
        self, username: str, password_hash: str, email: str, name: str, is_admin: bool, valid_from: datetime
    ) -> Principal:
        username = normal(username)
        account = {
            "username": username,
            "fold": kept_fold(username),
            "email": email,
            "name": name,
            "password_hash": password_hash,
            "is_admin": is_admin,
            "is_active": True,
            "created_at": datetime.now(UTC),
            "tokens_valid_from": valid_from,
        }
        with self._catalog.write() as connection:
            of_organization = sa.select(organizations.c.slug).where(organizations.c.slug == fold(username))
            namesake = user_like(connection, username) or connection.execute(of_organization).scalar()
            if namesake is not None:
                raise UserExists(username, namesake)
            connection.execute(sa.insert(users).values(account))
            return _principal(user_row(connection, username))

    def _renew_hash(self, row: Row[Any], password_hash: str) -> None:
        with self._catalog.write() as connection:
            connection.execute(
                sa.update(users)
                .where(users.c.id == row.id, users.c.password_hash == row.password_hash)
                .values(password_hash=password_hash)
            )


def check_username(username: str) -> None:
    """Raise ``InvalidUsername`` if the text cannot be a username."""
    if not _USERNAME.fullmatch(normal(username)):
        raise InvalidUsername(username)


def check_new_username(username: str) -> None:
    """Raise ``InvalidUsername`` if no new account can have this name: it is no name, or other names look like it."""
    check_username(username)
    unusual = unusual_character(username)
    if unusual is not None:
        raise InvalidUsername(username, unusual=unusual)
    if mixes_scripts(username):
        raise InvalidUsername(username, mixes_scripts=True)


def user_like(connection: Connection, name: str) -> str | None:
    """Return the name of a user who has this name or one that looks like it, within a transaction that writes."""
    other_rules = users.c.fold.is_(None) | ~users.c.fold.startswith(kept_folds(), autoescape=True)
    unfolded = connection.execute(sa.select(users.c.id, users.c.username).where(other_rules)).all()
    if unfolded:  # from before there were folds, or before they were what they are
        of_user = sa.update(users).where(users.c.id == sa.bindparam("user_id")).values(fold=sa.bindparam("folded"))
        connection.execute(of_user, [{"user_id": row.id, "folded": kept_fold(row.username)} for row in unfolded])
    found = sa.select(users.c.username).where(users.c.fold == kept_fold(name))
    return connection.execute(found.order_by(users.c.id).limit(1)).scalar()


def user_row(connection: Connection, username: str) -> Row[Any]:
    """Return the row of ``users`` with that name. Raises ``UnknownUser``."""
    kept = normal(username)
    row = _row(connection, kept) if _USERNAME.fullmatch(kept) else None
    if row is None:
        raise UnknownUser(username)
    return row


def _row(connection: Connection, kept: str) -> Row[Any] | None:
    return connection.execute(sa.select(users).where(users.c.username == kept)).one_or_none()


def _change(connection: Connection, row: Row[Any], **values: object) -> None:
    connection.execute(sa.update(users).where(users.c.id == row.id).values(**values))


def _principal(row: Row[Any]) -> Principal:
    return Principal(int(row.id), row.username, row.email, row.name, bool(row.is_admin))
