"""Organizations: users who share datasets with each other.

Each user has a personal organization, whose slug is the username (protocol 1.6, 1.7). It is not stored.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal  # Any: Row[Any], read by column name

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from auth.errors import Forbidden, InvalidName, OrganizationExists, UnknownOrganization
from auth.listing import MOST_LISTED
from auth.names import shown
from auth.principal import Principal
from auth.users import user_like, user_row
from catalog.engine import Catalog
from catalog.tables import memberships, organizations, users

Role = Literal["member", "admin"]

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,149}")


@dataclass(frozen=True, slots=True)
class Organization:
    """``id`` is None for a personal organization. ``role`` is the role of the user who asked; None: not a member."""

    id: int | None
    slug: str
    name: str
    role: Role | None


@dataclass(frozen=True, slots=True)
class Member:
    user_id: int
    username: str
    role: Role


def not_authorized(slug: str) -> Forbidden:
    """Return the error for a user who may not use an organization. Its message never changes (protocol 1.6)."""
    return Forbidden(f"Not authorized to organization '{shown(slug)}'")


class Organizations:
    """The organizations in one catalog. Every method blocks on SQL."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def add(self, slug: str, name: str = "") -> Organization:
        """Add an organization without members. Raises ``InvalidName``, ``OrganizationExists``."""
        if not _SLUG.fullmatch(slug):
            raise InvalidName(
                "an organization's slug has 1 to 150 characters: a-z, 0-9 and . _ -; the first is a letter or a digit"
            )
        with self._catalog.write() as connection:
            if _row(connection, slug) is not None or user_like(connection, slug) is not None:
                raise OrganizationExists(slug)
            row = {"slug": slug, "name": name or slug, "created_at": datetime.now(UTC)}
            connection.execute(sa.insert(organizations).values(row))
            return _organization(_known(connection, slug), None)

    def list(self) -> tuple[Organization, ...]:
        """Return all organizations, sorted by slug, without the personal ones."""
        with self._catalog.read() as connection:
            rows = connection.execute(sa.select(organizations).order_by(organizations.c.slug).limit(MOST_LISTED)).all()
        return tuple(_organization(row, None) for row in rows)

    def count(self) -> int:
        """Return the number of organizations, without the personal ones."""
        with self._catalog.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(organizations)).scalar_one())

    def of(self, principal: Principal) -> tuple[Organization, ...]:
        """Return the user's organizations: the personal one, then the others, sorted by slug."""
        query = (
            sa.select(organizations, memberships.c.role)
            .join(memberships, memberships.c.organization_id == organizations.c.id)
            .where(memberships.c.user_id == principal.user_id)
            .order_by(organizations.c.slug)
            .limit(MOST_LISTED)
        )
        with self._catalog.read() as connection:
            rows = connection.execute(query).all()
        return (_personal(principal), *(_organization(row, row.role) for row in rows))

    def find(self, principal: Principal, slug: str) -> Organization:
        """Return the organization with that slug, and the user's role in it. Raises ``UnknownOrganization``.

        Another user's personal organization is unknown, so that nobody learns which users exist.
        """
        if slug == principal.username:
            return _personal(principal)
        with self._catalog.read() as connection:
            row = _known(connection, slug)
            return _organization(row, _role(connection, row.id, principal.user_id))

    def enter(self, principal: Principal, slug: str) -> Organization:
        """Return the organization as ``find`` does. Raises ``Forbidden`` (protocol 1.6) unless the user is a member."""
        found = self.find(principal, slug)
        if found.role is None:
            raise not_authorized(slug)
        return found

    def members(self, slug: str) -> tuple[Member, ...]:
        """Return the members, sorted by name. Raises ``UnknownOrganization``."""
        query = sa.select(users.c.id, users.c.username, memberships.c.role).join(
            memberships, memberships.c.user_id == users.c.id
        )
        with self._catalog.read() as connection:
            row = _known(connection, slug)
            in_it = query.where(memberships.c.organization_id == row.id).order_by(users.c.username).limit(MOST_LISTED)
            return tuple(Member(*found) for found in connection.execute(in_it))

    def set_member(self, slug: str, username: str, role: Role, by: Principal | None = None) -> None:
        """Add the user to the organization, or change their role. Raises ``UnknownOrganization``, ``UnknownUser``.

        Raises ``Forbidden`` if ``by`` is neither an admin of the organization, in this very transaction, nor an
        administrator.
        """
        with self._catalog.write() as connection:
            _check_admin(connection, slug, by)
            pair = _pair(connection, slug, username)
            connection.execute(sa.delete(memberships).filter_by(**pair))
            connection.execute(sa.insert(memberships).values(**pair, role=role))

    def remove_member(self, slug: str, username: str, by: Principal | None = None) -> None:
        """Remove a user from the organization, if they are in it. Raises as ``set_member``; anybody can leave."""
        with self._catalog.write() as connection:
            if by is None or by.username != username:
                _check_admin(connection, slug, by)
            connection.execute(sa.delete(memberships).filter_by(**_pair(connection, slug, username)))


def _personal(principal: Principal) -> Organization:
    return Organization(None, principal.username, principal.name or principal.username, "admin")


def _organization(row: Row[Any], role: Role | None) -> Organization:
    return Organization(int(row.id), row.slug, row.name, role)


def _row(connection: Connection, slug: str) -> Row[Any] | None:
    if not _SLUG.fullmatch(slug):
        return None
    return connection.execute(sa.select(organizations).where(organizations.c.slug == slug)).one_or_none()


def _known(connection: Connection, slug: str) -> Row[Any]:
    row = _row(connection, slug)
    if row is None:
        raise UnknownOrganization(slug)
    return row


def _role(connection: Connection, organization_id: int, user_id: int) -> Role | None:
    query = sa.select(memberships.c.role).filter_by(organization_id=organization_id, user_id=user_id)
    role: Role | None = connection.execute(query).scalar_one_or_none()
    return role


def _check_admin(connection: Connection, slug: str, by: Principal | None) -> None:
    """Raise ``Forbidden``. The caller's role may have changed since their request began."""
    if by is None or by.is_admin:
        return
    if _role(connection, int(_known(connection, slug).id), by.user_id) != "admin":
        raise not_authorized(slug)


def _pair(connection: Connection, slug: str, username: str) -> dict[str, int]:
    organization_id = int(_known(connection, slug).id)
    return {"organization_id": organization_id, "user_id": int(user_row(connection, username).id)}
