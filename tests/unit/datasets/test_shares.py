"""Who may do what with a dataset, by the catalog's account: shares, invitations, organizations, expiry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from auth.organizations import Organizations
from auth.users import Users
from catalog.engine import Catalog
from catalog.tables import share_invites, shares
from runtime.datasets.records import (
    Access,
    Datasets,
    Mode,
    NoOrganization,
    Reader,
    RecordGone,
    Share,
    Shares,
)
from runtime.errors import StorageFull

PASSWORD = "correct horse battery"


@dataclass
class People:
    """ann and cem are in lab, dora is in shop, ann's friend eve in none."""

    catalog: Catalog
    ann: Reader
    cem: Reader
    dora: Reader
    eve: Reader
    lab: int

    def dataset(self, **fields: Any) -> str:
        """Of ann's."""
        assert self.ann.user_id is not None
        return Datasets(self.catalog).create(self.ann.user_id, "d", "", {}, {}, **fields).id

    def listed(self, reader: Reader, default: Mode = "private") -> dict[str, Access]:
        _, found = Datasets(self.catalog, default).page(reader, 100, 0)
        return {record.id: access for record, access in found}


@pytest.fixture
def people(catalog: Catalog, users: Users) -> People:
    organizations = Organizations(catalog)
    lab = organizations.add("lab").id
    organizations.add("shop")
    readers = {}
    for name, member_of in (("ann", "lab"), ("cem", "lab"), ("dora", "shop"), ("eve", None)):
        email = f"{name}@x.example"
        readers[name] = Reader(users.add(name, PASSWORD, email).user_id, (email, name))
        if member_of:
            organizations.set_member(member_of, name, "member")
    assert lab is not None
    return People(catalog, **readers, lab=lab)


@contextmanager
def statements(catalog: Catalog) -> Iterator[list[str]]:
    """The SQL that is executed in the block."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(catalog._engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(catalog._engine, "before_cursor_execute", note)


# Modes: what the owner, an organization's member, somebody of another one, and nobody may do

LEVELS: list[tuple[Share | None, Access, Access, Access]] = [
    (None, Access.NONE, Access.NONE, Access.NONE),
    (Share("private"), Access.NONE, Access.NONE, Access.NONE),
    (Share("private", "30"), Access.NONE, Access.NONE, Access.NONE),
    (Share("organization", "10"), Access.VIEW, Access.NONE, Access.NONE),
    (Share("organization", "20"), Access.EDIT, Access.NONE, Access.NONE),
    (Share("organization", "30"), Access.SHARE, Access.NONE, Access.NONE),
    (Share("public", "10"), Access.VIEW, Access.VIEW, Access.VIEW),
    (Share("public", "30"), Access.VIEW, Access.VIEW, Access.VIEW),
]


@pytest.mark.parametrize(("share", "member", "stranger", "nobody"), LEVELS)
def test_a_mode_opens_a_dataset_this_far(
    people: People, share: Share | None, member: Access, stranger: Access, nobody: Access
) -> None:
    kept, dataset_id = Shares(people.catalog), people.dataset(organization_id=people.lab)
    if share is not None:
        kept.set(dataset_id, share)
    readers = (people.ann, people.cem, people.dora, Reader())
    assert [kept.access(dataset_id, reader) for reader in readers] == [Access.OWNER, member, stranger, nobody]


DEFAULTS: list[tuple[Mode, bool, Access, Access]] = [
    ("private", True, Access.NONE, Access.NONE),
    ("organization", True, Access.VIEW, Access.NONE),
    ("organization", False, Access.NONE, Access.NONE),
    ("public", True, Access.VIEW, Access.VIEW),
]


@pytest.mark.parametrize(("default", "in_lab", "member", "stranger"), DEFAULTS)
def test_a_dataset_that_nobody_shared_is_as_the_setting_says(
    people: People, default: Mode, in_lab: bool, member: Access, stranger: Access
) -> None:
    kept = Shares(people.catalog, default)
    dataset_id = people.dataset(organization_id=people.lab if in_lab else None)
    assert [kept.access(dataset_id, reader) for reader in (people.cem, people.dora)] == [member, stranger]
    kept.set(dataset_id, Share("private"))
    assert [kept.access(dataset_id, reader) for reader in (people.cem, people.dora)] == [Access.NONE, Access.NONE]


@pytest.mark.parametrize("action", ["10", "20", "30"])
def test_an_invitation_counts_in_every_mode_and_the_most_that_one_has_decides(people: People, action: Any) -> None:
    kept, dataset_id = Shares(people.catalog), people.dataset(organization_id=people.lab)
    for mode in ("private", "organization", "public"):
        kept.set(dataset_id, Share(mode, "10", invites={"eve": action}))
        assert kept.access(dataset_id, people.eve) == Access(int(action))
    kept.set(dataset_id, Share("organization", "20", invites={"cem": "10"}))
    assert kept.access(dataset_id, people.cem) == Access.EDIT
    kept.set(dataset_id, Share(invites={"eve": "10", "eve@x.example": "30"}))
    assert kept.access(dataset_id, people.eve) == Access.SHARE


def test_invitations_to_all_datasets_of_an_owner_are_bounded(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.datasets.records.shares.MOST_INVITATIONS", 3)
    kept, one, other = Shares(people.catalog), people.dataset(), people.dataset()
    kept.set(one, Share(invites={"cem": "10", "dora": "10"}))
    with pytest.raises(StorageFull) as refused:
        kept.set(other, Share(invites={"cem": "10", "dora": "10"}))
    assert refused.value.fields == {"limit_name": "invitations", "limit": 3, "observed": 4}
    assert kept.get(other).invites == {}
    kept.set(other, Share(invites={"cem": "10"}))
    kept.set(one, Share(invites={"eve": "20", "dora": "10"}))
    monkeypatch.setattr("runtime.datasets.records.shares.MOST_INVITATIONS", 1)
    kept.set(one, Share(invites={"eve": "20"}))
    kept.set(one, Share())


def test_an_invitation_waits_for_whom_it_names(people: People) -> None:
    kept, dataset_id = Shares(people.catalog), people.dataset()
    kept.set(dataset_id, Share(invites={"late@x.example": "20"}))
    late = Users(people.catalog).add_without_password("late", "late@x.example")
    assert kept.access(dataset_id, Reader(late.user_id, ("late@x.example",))) == Access.EDIT


def test_who_leaves_an_organization_has_lost_what_it_shares(people: People) -> None:
    kept, dataset_id = Shares(people.catalog), people.dataset(organization_id=people.lab)
    kept.set(dataset_id, Share("organization"))
    Organizations(people.catalog).remove_member("lab", "cem")
    assert kept.access(dataset_id, people.cem) == Access.NONE
    assert dataset_id not in people.listed(people.cem)


# Setting and telling


def test_a_share_is_what_was_set_last(people: People) -> None:
    kept, dataset_id = Shares(people.catalog), people.dataset(organization_id=people.lab)
    first = Share("organization", "20", "lab", {"a@x.example": "30", "eve": "10"}, "look\0at this")
    assert kept.get(dataset_id) == Share()
    assert kept.set(dataset_id, first).message == "look\ufffdat this"
    assert kept.get(dataset_id).invites == first.invites
    assert kept.get(dataset_id).organization == "lab"
    assert kept.set(dataset_id, Share("public")) == Share("public") == kept.get(dataset_id)
    with people.catalog.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(share_invites)).scalar_one() == 0


def test_a_dataset_of_no_organization_means_the_only_one_of_its_owner(people: People) -> None:
    kept, dataset_id = Shares(people.catalog), people.dataset()
    assert kept.set(dataset_id, Share("organization")).organization == "lab"
    assert kept.access(dataset_id, people.cem) == Access.VIEW


@pytest.mark.parametrize("member_of", [(), ("lab", "shop")])
def test_without_exactly_one_there_is_nobody_to_share_it_with(people: People, member_of: tuple[str, ...]) -> None:
    organizations, kept, dataset_id = Organizations(people.catalog), Shares(people.catalog), people.dataset()
    organizations.remove_member("lab", "ann")
    for slug in member_of:
        organizations.set_member(slug, "ann", "member")
    with pytest.raises(NoOrganization):
        kept.set(dataset_id, Share("organization", invites={"eve": "10"}))
    assert kept.get(dataset_id) == Share()


def test_a_share_of_a_dataset_that_is_gone_is_refused(people: People) -> None:
    kept, dataset_id = Shares(people.catalog), people.dataset()
    kept.set(dataset_id, Share("public", invites={"eve": "10"}))
    Datasets(people.catalog).delete(dataset_id)
    for mode in ("private", "organization", "public"):
        for gone in (dataset_id, "0" * 32, "no id", ""):
            with pytest.raises(RecordGone):
                kept.set(gone, Share(mode))
            with pytest.raises(RecordGone):
                kept.get(gone)
            assert kept.access(gone, people.eve) == Access.NONE
    with people.catalog.read() as connection:
        for table in (shares, share_invites):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0


# Lists


def test_a_list_holds_ones_own_and_what_was_shared_with_one(people: People) -> None:
    kept = Shares(people.catalog)
    shared = {
        name: people.dataset(organization_id=people.lab) for name in ("untouched", "invited", "organization", "public")
    }
    kept.set(shared["invited"], Share(invites={"eve": "20", "cem": "30"}))
    kept.set(shared["organization"], Share("organization", "20", invites={"dora": "10"}))
    kept.set(shared["public"], Share("public", invites={"dora@x.example": "10"}))
    names = {dataset_id: name for name, dataset_id in shared.items()}

    def seen(reader: Reader, default: Mode = "private") -> dict[str, Access]:
        return {names[dataset_id]: access for dataset_id, access in people.listed(reader, default).items()}

    assert seen(people.ann) == dict.fromkeys(shared, Access.OWNER)
    assert seen(people.cem) == {"invited": Access.SHARE, "organization": Access.EDIT}
    assert seen(people.dora) == {"organization": Access.VIEW, "public": Access.VIEW}
    assert seen(people.eve) == {"invited": Access.EDIT}
    assert seen(Reader()) == {}
    assert seen(people.cem, "organization")["untouched"] == Access.VIEW
    assert "untouched" not in seen(people.dora, "organization")
    assert "untouched" not in seen(people.eve, "public")


def test_paging_and_search_go_over_all_that_is_listed(people: People, catalog: Catalog) -> None:
    datasets, kept = Datasets(catalog), Shares(catalog)
    owners = (people.ann, people.eve)
    made = [datasets.create(owners[n % 2].user_id or 0, f"graph {n}", "", {}, {}) for n in range(6)]
    for record in made:
        kept.set(record.id, Share(invites={"eve": "10"}))
    pages = [datasets.page(people.eve, 2, offset) for offset in (0, 2, 4)]
    assert [count for count, _ in pages] == [6, 6, 6]
    assert [record.id for _, page in pages for record, _ in page] == [record.id for record in made[::-1]]
    count, found = datasets.page(people.eve, 10, 0, "GRAPH 2")
    assert (count, [(record.name, access) for record, access in found]) == (1, [("graph 2", Access.VIEW)])


# Expiry


def test_an_expired_dataset_is_as_absent_at_once(people: People, catalog: Catalog) -> None:
    datasets, kept = Datasets(catalog), Shares(catalog)
    now = datetime.now(UTC)
    over = people.dataset(expires_at=now - timedelta(microseconds=1))
    left = people.dataset(expires_at=now + timedelta(hours=1))
    assert datasets.get(over) is None
    assert kept.access(over, people.ann) == Access.NONE
    assert not datasets.delete(over)
    with pytest.raises(RecordGone):
        kept.set(over, Share())
    assert set(people.listed(people.ann)) == {left}
    record = datasets.get(left)
    assert record is not None and record.expires_at == now + timedelta(hours=1) and not record.has_expired


def test_many_expired_datasets_keep_other_writes_waiting_for_a_few_at_a_time(
    people: People, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.datasets.records.datasets._BATCH", 2)
    datasets, now = Datasets(catalog), datetime.now(UTC)
    over = sorted(people.dataset(expires_at=now) for _ in range(5))
    before = catalog.version()
    assert sorted(datasets.expire(now)) == over
    assert catalog.version() - before == 3
    assert datasets.forget_objects(over) == []
    assert catalog.version() - before == 6


def test_expired_datasets_are_deleted_once_and_named(people: People, catalog: Catalog) -> None:
    datasets = Datasets(catalog)
    now = datetime.now(UTC)
    over = sorted(people.dataset(expires_at=now + timedelta(seconds=n)) for n in range(3))
    kept = {people.dataset(), people.dataset(expires_at=now + timedelta(hours=1))}
    deleted = people.dataset(expires_at=now)
    datasets.delete(people.dataset())
    assert sorted(datasets.expire(now + timedelta(seconds=10))) == sorted([*over, deleted])
    assert set(people.listed(people.ann)) == kept
    before = catalog.version()
    assert datasets.expire(now + timedelta(seconds=10)) == []
    assert catalog.version() == before


# What a question costs


def test_a_dataset_that_one_may_not_read_is_asked_for_as_one_that_is_not_there(people: People) -> None:
    kept, dataset_id = Shares(people.catalog), people.dataset(organization_id=people.lab)
    kept.set(dataset_id, Share("organization", invites={"cem": "10"}))
    asked: list[list[str]] = []
    for found in (dataset_id, "0" * 32):
        with statements(people.catalog) as seen:
            assert kept.access(found, people.eve) == Access.NONE
        asked.append(seen)
    assert asked[0] == asked[1]
    assert len([text for text in asked[0] if text.lstrip().upper().startswith("SELECT")]) == 1
