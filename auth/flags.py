"""Feature flags, and the three switches that open the Python endpoint (protocol 4.8).

A setting gives a flag a value for a scope. The narrowest scope that has a setting for a user decides. From narrow to
wide: the user, their groups (true if two groups disagree), staff (administrators), a percentage of all users, everyone.
Without a setting the flag is false. A percentage always selects the same users, by a hash of the flag's name and the
user's id.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from auth.errors import EndpointDisabled, UnknownFlag
from auth.groups import group_row
from auth.listing import MOST_LISTED
from auth.users import user_row
from catalog.engine import Catalog
from catalog.tables import flags, group_members, groups, users

DISABLED = "flag_python_endpoint_disabled"
ENABLED_USERS = "flag_python_endpoint_enabled_users"
KNOWN = (DISABLED, ENABLED_USERS)

Scope = Literal["everyone", "percent", "staff", "group", "user"]
WIDEST_FIRST: Final[tuple[Scope, ...]] = ("everyone", "percent", "staff", "group", "user")


@dataclass(frozen=True, slots=True)
class FlagSetting:
    """The value of a flag for one scope, which ``username``, ``group`` or ``percent`` narrow down."""

    name: str
    scope: Scope
    username: str | None
    value: bool
    group: str | None = None
    percent: int | None = None


class Flags:
    """The flags in one catalog. Every method blocks on SQL; unknown names raise ``UnknownFlag``."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def set_for_everyone(self, name: str, value: bool | None) -> None:
        """Set the flag for all users for whom no narrower scope has a setting. None removes the setting."""
        self._set(name, "everyone", value)

    def set_for_user(self, name: str, username: str, value: bool | None) -> None:
        """Set the flag for one user; None removes the setting. Raises ``UnknownUser``."""
        self._set(name, "user", value, username=username)

    def set_for_group(self, name: str, group: str, value: bool | None) -> None:
        """Set the flag for the members of a group; None removes the setting. Raises ``UnknownGroup``."""
        self._set(name, "group", value, group=group)

    def set_for_staff(self, name: str, value: bool | None) -> None:
        """Set the flag for administrators; None removes the setting."""
        self._set(name, "staff", value)

    def set_for_percent(self, name: str, percent: int, value: bool | None) -> None:
        """Set the flag for a percentage of all users; None removes the setting.

        A larger percentage includes the users of a smaller one. Raises ``ValueError`` unless ``percent`` is 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError("percent must be 0 to 100")
        self._set(name, "percent", value, percent=percent)

    def list(self) -> tuple[FlagSetting, ...]:
        """Return all settings, sorted by flag, scope, username and group."""
        joined = flags.outerjoin(users, flags.c.user_id == users.c.id).outerjoin(
            groups, flags.c.group_id == groups.c.id
        )
        columns = (flags.c.name, flags.c.scope, users.c.username, flags.c.value, groups.c.name, flags.c.percent)
        query = sa.select(*columns).select_from(joined)
        query = query.order_by(flags.c.name, flags.c.scope, users.c.username, groups.c.name).limit(MOST_LISTED)
        with self._catalog.read() as connection:
            return tuple(FlagSetting(*row) for row in connection.execute(query))

    def value(self, name: str, user_id: int) -> bool:
        """Return the flag's value for a user."""
        _check_known(name)
        with self._catalog.read() as connection:
            return _values(connection, user_id).get(name, False)

    def check_python_endpoint(self, user_id: int, switched_on: bool) -> None:
        """Raise ``EndpointDisabled`` unless the server and both flags of the user allow the Python endpoint."""
        if not switched_on:
            raise EndpointDisabled(
                "ENABLE_PYTHON_ENDPOINT",
                "the Python endpoint is off here; the operator can turn it on with ENABLE_PYTHON_ENDPOINT=true",
            )
        with self._catalog.read() as connection:
            values = _values(connection, user_id)
        if values.get(DISABLED, False):
            raise EndpointDisabled(
                "flag_python_endpoint_disabled",
                "the Python endpoint is disabled for you; "
                f"an operator must set {DISABLED} to false (graphside flag set)",
            )
        if not values.get(ENABLED_USERS, False):
            raise EndpointDisabled(
                "flag_python_endpoint_enabled_users",
                "the Python endpoint is not enabled for you; "
                f"an operator must set {ENABLED_USERS} to true (graphside flag set)",
            )

    def _set(
        self,
        name: str,
        scope: Scope,
        value: bool | None,
        username: str | None = None,
        group: str | None = None,
        percent: int | None = None,
    ) -> None:
        _check_known(name)
        with self._catalog.write() as connection:
            row = {
                "name": name,
                "scope": scope,
                "user_id": None if username is None else user_row(connection, username).id,
                "group_id": None if group is None else group_row(connection, group).id,
            }
            same = [flags.c[column].is_not_distinct_from(wanted) for column, wanted in row.items()]
            connection.execute(sa.delete(flags).where(*same))
            if value is not None:
                connection.execute(sa.insert(flags).values(**row, percent=percent, value=value))


def is_selected(name: str, user_id: int, percent: int) -> bool:
    """Return True if the user is in that percentage of the flag ``name``. Every server gives the same answer."""
    digest = hashlib.sha256(f"{name}:{user_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % 100 < percent


def _check_known(name: str) -> None:
    if name not in KNOWN:
        raise UnknownFlag(name, KNOWN)


def _values(connection: Connection, user_id: int) -> dict[str, bool]:
    """Return the user's flags that have a value. Scopes that this release does not know are ignored."""
    is_staff = sa.select(users.c.id).where(users.c.id == user_id, users.c.is_admin).exists()
    own_groups = sa.select(group_members.c.group_id).where(group_members.c.user_id == user_id)
    query = sa.select(flags).where(
        sa.or_(
            flags.c.scope.in_(("everyone", "percent")),
            sa.and_(flags.c.scope == "staff", is_staff),
            sa.and_(flags.c.scope == "group", flags.c.group_id.in_(own_groups)),
            sa.and_(flags.c.scope == "user", flags.c.user_id == user_id),
        )
    )
    values: dict[str, bool] = {}
    # The last row wins: narrow scopes come after wide ones, and within a scope true comes after false.
    for row in sorted(connection.execute(query), key=lambda row: (WIDEST_FIRST.index(row.scope), row.value)):
        if row.scope != "percent" or is_selected(row.name, user_id, row.percent):
            values[row.name] = bool(row.value)
    return values
