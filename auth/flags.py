"""Feature flags, and the three switches that open the Python endpoint (contract 4.8).

A flag is a name; a row gives it a value for a scope. The narrowest scope that has a row decides: the user's,
then everyone's, else the flag is false.
"""

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from auth.errors import EndpointDisabled, UnknownFlag
from auth.users import user_row
from catalog.engine import Catalog
from catalog.tables import flags, users

DISABLED = "flag_python_endpoint_disabled"
ENABLED_USERS = "flag_python_endpoint_enabled_users"
KNOWN = (DISABLED, ENABLED_USERS)

Scope = Literal["everyone", "user"]


@dataclass(frozen=True, slots=True)
class FlagSetting:
    """One row: ``name`` is ``value`` for everyone, or for the user called ``username``."""

    name: str
    scope: Scope
    username: str | None
    value: bool


class Flags:
    """The flags in one catalog. Every method blocks on SQL; unknown names raise ``UnknownFlag``."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def set_for_everyone(self, name: str, value: bool | None) -> None:
        """Sets the flag for all who have no setting of their own. None takes the setting away."""
        self._set(name, "everyone", None, value)

    def set_for_user(self, name: str, username: str, value: bool | None) -> None:
        """As above for one user, whatever it is for everyone. Raises ``UnknownUser``."""
        self._set(name, "user", username, value)

    def listing(self) -> tuple[FlagSetting, ...]:
        """All settings, by flag, then everyone's, then the users' by name."""
        query = (
            sa.select(flags.c.name, flags.c.scope, users.c.username, flags.c.value)
            .select_from(flags.outerjoin(users, flags.c.user_id == users.c.id))
            .order_by(flags.c.name, flags.c.scope, users.c.username)
        )
        with self._catalog.read() as connection:
            return tuple(FlagSetting(*row) for row in connection.execute(query))

    def value(self, name: str, user_id: int) -> bool:
        """What the flag is for this user."""
        _known(name)
        with self._catalog.read() as connection:
            return _values(connection, user_id).get(name, False)

    def check_python_endpoint(self, user_id: int, switched_on: bool) -> None:
        """Raises ``EndpointDisabled`` unless the server, and both flags of this user, allow the endpoint."""
        if not switched_on:
            raise EndpointDisabled(
                "ENABLE_PYTHON_ENDPOINT",
                "The Python endpoint is off on this server. Its operator turns it on with ENABLE_PYTHON_ENDPOINT=true.",
            )
        with self._catalog.read() as connection:
            values = _values(connection, user_id)
        if values.get(DISABLED, False):
            raise EndpointDisabled(
                "flag_python_endpoint_disabled",
                "The Python endpoint is disabled for you. "
                f"An operator must set {DISABLED} to false (graphside flag set).",
            )
        if not values.get(ENABLED_USERS, False):
            raise EndpointDisabled(
                "flag_python_endpoint_enabled_users",
                "The Python endpoint is not enabled for you. "
                f"An operator must set {ENABLED_USERS} to true (graphside flag set).",
            )

    def _set(self, name: str, scope: Scope, username: str | None, value: bool | None) -> None:
        _known(name)
        with self._catalog.write() as connection:
            user_id = None if username is None else user_row(connection, username).id
            connection.execute(
                sa.delete(flags).where(
                    flags.c.name == name,
                    flags.c.scope == scope,
                    flags.c.user_id.is_not_distinct_from(user_id),
                )
            )
            if value is not None:
                connection.execute(sa.insert(flags).values(name=name, scope=scope, user_id=user_id, value=value))


def _known(name: str) -> None:
    if name not in KNOWN:
        raise UnknownFlag(name, KNOWN)


def _values(connection: Connection, user_id: int) -> dict[str, bool]:
    """The flags that have a value for this user. Scopes that this release does not know count for nothing."""
    query = sa.select(flags.c.name, flags.c.scope, flags.c.value).where(
        sa.or_(
            flags.c.scope == "everyone",
            sa.and_(flags.c.scope == "user", flags.c.user_id == user_id),
        )
    )
    rows = connection.execute(query).all()
    values = {row.name: bool(row.value) for row in rows if row.scope == "everyone"}
    values.update({row.name: bool(row.value) for row in rows if row.scope == "user"})
    return values
