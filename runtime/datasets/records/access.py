"""Who may do what with a dataset: the rule, and the SQL that gathers the facts for it.

A dataset's share decides, or the setting ``default_access`` if nobody shared it:

- ``private``: its owner and invited users;
- ``organization``: also the organization's members, up to the share's action;
- ``public``: also everybody who knows its id, to read; no list shows it to them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Literal  # Any: rows are read by column name, which SQLAlchemy does not type

import sqlalchemy as sa
from sqlalchemy import Row

from catalog.tables import datasets, memberships, share_invites, shares

Mode = Literal["private", "organization", "public"]
Action = Literal["10", "20", "30"]


class Access(IntEnum):
    """What a caller may do with a dataset; each level includes the lower ones (protocol 3.6)."""

    NONE = 0
    VIEW = 10
    """Read it and run tasks on it."""
    EDIT = 20
    """Give it tables."""
    SHARE = 30
    """Change who else may use it."""
    OWNER = 40
    """Delete it."""


@dataclass(frozen=True, slots=True)
class Reader:
    """The caller who asks for a dataset. ``names``: what an invitation may call them; empty without a sign-in."""

    user_id: int | None = None
    names: tuple[str, ...] = ()


def live(now: datetime | None = None) -> sa.ColumnElement[bool]:
    """Return the condition for rows of ``datasets`` that are neither deleted nor expired."""
    lasts = sa.or_(datasets.c.expires_at.is_(None), datasets.c.expires_at > (now or datetime.now(UTC)))
    return sa.and_(datasets.c.deleted_at.is_(None), lasts)


def facts(reader: Reader, default: Mode) -> tuple[sa.ColumnElement[Any], ...]:
    """Return the columns that ``access_in`` reads, for ``datasets`` outer-joined with ``shares``."""
    organization = sa.func.coalesce(shares.c.organization_id, datasets.c.organization_id)
    invited = (
        sa.select(sa.func.max(share_invites.c.action))  # strings of two digits, which sort like numbers
        .where(share_invites.c.dataset_id == datasets.c.id, share_invites.c.email.in_(reader.names))
        .correlate(datasets)
        .scalar_subquery()
    )
    is_member = (
        sa.exists()
        .where(memberships.c.organization_id == organization, memberships.c.user_id == reader.user_id)
        .correlate(datasets, shares)
    )
    return (
        (datasets.c.owner_id == reader.user_id).label("is_owner_"),
        sa.func.coalesce(shares.c.mode, default).label("mode_"),
        sa.func.coalesce(shares.c.mode_action, "10").label("mode_action_"),
        invited.label("invited_"),
        is_member.label("is_member_"),
    )


def access_in(row: Row[Any]) -> Access:
    """Return what the reader of ``facts`` may do with the dataset of this row."""
    if row.is_owner_:
        return Access.OWNER
    found = Access(int(row.invited_ or 0))
    if row.mode_ == "public":
        return max(found, Access.VIEW)
    if row.mode_ == "organization" and row.is_member_:
        return max(found, Access(int(row.mode_action_)))
    return found


def listed(reader: Reader, default: Mode) -> sa.ColumnElement[bool]:
    """Return the condition for datasets in a reader's list: their own, by invitation, and of their organizations.

    Each part of the union uses its own index; a single condition over all of them would use none.
    """
    ours = sa.select(memberships.c.organization_id).where(memberships.c.user_id == reader.user_id)
    parts = [
        sa.select(datasets.c.id).where(datasets.c.owner_id == reader.user_id),
        sa.select(share_invites.c.dataset_id).where(share_invites.c.email.in_(reader.names)),
        sa.select(shares.c.dataset_id).where(shares.c.mode == "organization", shares.c.organization_id.in_(ours)),
    ]
    if default == "organization":
        is_shared = sa.exists().where(shares.c.dataset_id == datasets.c.id)
        parts.append(sa.select(datasets.c.id).where(datasets.c.organization_id.in_(ours), ~is_shared))
    return datasets.c.id.in_(sa.union(*parts))
