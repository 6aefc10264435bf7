"""Shares: who may use a dataset besides its owner (protocol 3.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from catalog.engine import Catalog
from catalog.tables import datasets, memberships, organizations, share_invites, shares
from runtime.datasets.records.access import Access, Action, Mode, Reader, access_in, facts, live
from runtime.datasets.records.objects import RecordGone, is_id
from runtime.errors import StorageFull

MOST_INVITATIONS: Final = 100_000
"""The most invitations to all datasets of an owner."""


@dataclass(frozen=True, slots=True)
class Share:
    """Who may use a dataset. ``action`` is what ``mode`` allows; ``invites`` is {e-mail or username: action}.

    ``organization`` is the slug of the organization in mode ``organization``, and else None.
    """

    mode: Mode = "private"
    action: Action = "10"
    organization: str | None = None
    invites: Mapping[str, Action] = field(default_factory=dict)
    message: str = ""


class NoOrganization(Exception):
    """The dataset belongs to no organization, and its owner is not in exactly one."""


class Shares:
    """The shares in one catalog. ``default`` is the mode of a dataset that nobody has shared."""

    def __init__(self, catalog: Catalog, default: Mode = "private") -> None:
        self._catalog = catalog
        self._default = default

    def access(self, dataset_id: str, reader: Reader) -> Access:
        """Return what the reader may do with the dataset of that id.

        It takes one statement and one row, whether or not the dataset exists, so the time does not reveal it.
        """
        if not is_id(dataset_id):
            return Access.NONE
        asked = sa.select(sa.literal(dataset_id).label("id")).subquery("asked")
        joined = asked.outerjoin(datasets, sa.and_(datasets.c.id == asked.c.id, live())).outerjoin(shares)
        query = sa.select(datasets.c.id.label("id_"), *facts(reader, self._default)).select_from(joined)
        with self._catalog.read() as connection:
            row = connection.execute(query).one()
        access = access_in(row)
        return Access.NONE if row.id_ is None else access

    def get(self, dataset_id: str) -> Share:
        """Return the dataset's share, or the default share. Raises ``RecordGone``."""
        with self._catalog.read() as connection:
            return self._share(connection, dataset_id)

    def set(self, dataset_id: str, share: Share) -> Share:
        """Replace the dataset's share and return the new one.

        ``share.organization`` is ignored: mode ``organization`` means the dataset's own organization, else the only
        organization of its owner. Raises ``RecordGone``, ``NoOrganization``, and ``StorageFull`` if all datasets of the
        owner have more than ``MOST_INVITATIONS`` together.
        """
        with self._catalog.write() as connection:
            organization_id = None
            if share.mode == "organization":
                organization_id = _organization_of(connection, dataset_id)
                if organization_id is None:
                    raise NoOrganization
            elif not _exists(connection, dataset_id):
                raise RecordGone("dataset", dataset_id)
            before = _invitations(connection, dataset_id) if share.invites else 0
            forget_share(connection, [dataset_id])
            connection.execute(
                sa.insert(shares).values(
                    dataset_id=dataset_id,
                    mode=share.mode,
                    organization_id=organization_id,
                    mode_action=share.action,
                    message=share.message,
                    updated_at=datetime.now(UTC),
                )
            )
            rows = [
                {"dataset_id": dataset_id, "email": name, "action": action} for name, action in share.invites.items()
            ]
            if rows:
                connection.execute(sa.insert(share_invites), rows)
                after = _invitations(connection, dataset_id)
                if after > max(before, MOST_INVITATIONS):
                    raise _too_many(after)
            return self._share(connection, dataset_id)

    def _share(self, connection: Connection, dataset_id: str) -> Share:
        organization = sa.func.coalesce(shares.c.organization_id, datasets.c.organization_id)
        query = (
            sa.select(
                sa.func.coalesce(shares.c.mode, self._default).label("mode"),
                sa.func.coalesce(shares.c.mode_action, "10").label("mode_action"),
                sa.func.coalesce(shares.c.message, "").label("message"),
                organizations.c.slug,
            )
            .select_from(datasets.outerjoin(shares).outerjoin(organizations, organizations.c.id == organization))
            .where(datasets.c.id == dataset_id, live())
        )
        row = connection.execute(query).one_or_none() if is_id(dataset_id) else None
        if row is None:
            raise RecordGone("dataset", dataset_id)
        invited = (
            sa.select(share_invites.c.email, share_invites.c.action)
            .where(share_invites.c.dataset_id == dataset_id)
            .order_by(share_invites.c.email)
        )
        return Share(
            mode=row.mode,
            action=row.mode_action,
            organization=row.slug if row.mode == "organization" else None,
            invites={found.email: found.action for found in connection.execute(invited)},
            message=row.message,
        )


def forget_share(connection: Connection, dataset_ids: list[str]) -> None:
    """Delete the shares and invitations of these datasets."""
    for table in (share_invites, shares):
        connection.execute(sa.delete(table).where(table.c.dataset_id.in_(dataset_ids)))


def _too_many(observed: int) -> StorageFull:
    text = f"the owner's datasets would have {observed} invitations; the limit is {MOST_INVITATIONS}; remove some first"
    return StorageFull(text, limit_name="invitations", limit=MOST_INVITATIONS, observed=observed)


def _invitations(connection: Connection, dataset_id: str) -> int:
    """Return how many invitations there are to datasets of this one's owner."""
    owner = sa.select(datasets.c.owner_id).where(datasets.c.id == dataset_id).scalar_subquery()
    invited = share_invites.join(datasets, datasets.c.id == share_invites.c.dataset_id)
    query = sa.select(sa.func.count()).select_from(invited).where(datasets.c.owner_id == owner)
    return int(connection.execute(query).scalar_one())


def _exists(connection: Connection, dataset_id: str) -> bool:
    query = sa.select(datasets.c.id).where(datasets.c.id == dataset_id, live())
    return is_id(dataset_id) and connection.execute(query).one_or_none() is not None


def _organization_of(connection: Connection, dataset_id: str) -> int | None:
    """Return the dataset's organization, else the only one of its owner, else None. Raises ``RecordGone``."""
    query = sa.select(datasets.c.organization_id, datasets.c.owner_id).where(datasets.c.id == dataset_id, live())
    row = connection.execute(query).one_or_none() if is_id(dataset_id) else None
    if row is None:
        raise RecordGone("dataset", dataset_id)
    if row.organization_id is not None:
        return int(row.organization_id)
    of_owner = sa.select(memberships.c.organization_id).where(memberships.c.user_id == row.owner_id).limit(2)
    found = connection.execute(of_owner).scalars().all()
    return int(found[0]) if len(found) == 1 else None
