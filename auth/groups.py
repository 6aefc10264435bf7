"""Groups of users. A flag can be set for a group."""

import re
from dataclasses import dataclass
from typing import Any, Final  # Any: Row[Any], read by column name

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from auth.errors import GroupExists, InvalidName, UnknownGroup
from auth.folds import fold, mixes_scripts, unusual_character
from auth.listing import MOST_LISTED
from auth.names import is_normal
from auth.users import user_row
from catalog.engine import Catalog
from catalog.tables import flags, group_members, groups, users

_NAME: Final = re.compile(r"[\w.@+-]{1,150}")


@dataclass(frozen=True, slots=True)
class Group:
    """A group and the names of its members."""

    name: str
    members: tuple[str, ...]


class Groups:
    """The groups in one catalog. Every method blocks on SQL."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def add(self, name: str) -> None:
        """Add a group without members. Raises ``InvalidName``; ``GroupExists``, also for a name that looks the same."""
        if not _NAME.fullmatch(name) or not is_normal(name):
            raise InvalidName("a group's name has 1 to 150 characters: letters, digits and @ . + - _")
        if unusual_character(name) is not None or mixes_scripts(name):
            raise InvalidName("a word in a new group's name has letters of one script, which is in everyday use")
        folded = fold(name)
        with self._catalog.write() as connection:
            if any(fold(known) == folded for known in connection.execute(sa.select(groups.c.name)).scalars()):
                raise GroupExists(name)
            connection.execute(sa.insert(groups).values(name=name))

    def remove(self, name: str) -> None:
        """Remove the group and the flag settings for it. Raises ``UnknownGroup``."""
        with self._catalog.write() as connection:
            row = group_row(connection, name)
            connection.execute(sa.delete(flags).where(flags.c.group_id == row.id))
            connection.execute(sa.delete(groups).where(groups.c.id == row.id))

    def add_member(self, name: str, username: str) -> None:
        """Add a user to the group. Idempotent. Raises ``UnknownGroup``, ``UnknownUser``."""
        self._set_member(name, username, True)

    def remove_member(self, name: str, username: str) -> None:
        """Remove a user from the group, if they are in it. Raises ``UnknownGroup``, ``UnknownUser``."""
        self._set_member(name, username, False)

    def list(self) -> tuple[Group, ...]:
        """Return all groups, sorted by name, each with its members, sorted by name."""
        joined = groups.outerjoin(group_members, group_members.c.group_id == groups.c.id)
        joined = joined.outerjoin(users, users.c.id == group_members.c.user_id)
        query = sa.select(groups.c.name, users.c.username).select_from(joined)
        members: dict[str, list[str]] = {}
        with self._catalog.read() as connection:
            for name, username in connection.execute(
                query.order_by(groups.c.name, users.c.username).limit(MOST_LISTED)
            ):
                members.setdefault(name, []).extend([username] if username is not None else [])
        return tuple(Group(name, tuple(names)) for name, names in members.items())

    def _set_member(self, name: str, username: str, member: bool) -> None:
        with self._catalog.write() as connection:
            pair = {"group_id": group_row(connection, name).id, "user_id": user_row(connection, username).id}
            connection.execute(sa.delete(group_members).filter_by(**pair))
            if member:
                connection.execute(sa.insert(group_members).values(pair))


def group_row(connection: Connection, name: str) -> Row[Any]:
    """Return the row of ``groups`` with that name. Raises ``UnknownGroup``."""
    row = _row(connection, name) if _NAME.fullmatch(name) else None
    if row is None:
        raise UnknownGroup(name)
    return row


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(sa.select(groups).where(groups.c.name == name)).one_or_none()
