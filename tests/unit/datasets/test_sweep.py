"""What garbage is, and that nothing else is ever collected."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from auth.users import Users
from catalog.engine import Catalog
from runtime.datasets.records import Datasets, ObjectRecord
from runtime.datasets.store.local import LocalStore
from runtime.datasets.store.sweep import StoreTaken, claim, forget_unreferenced, sweep
from runtime.errors import StoreUnavailable

NOW = timedelta(seconds=0)


class Garbage:
    """A claimed store and a catalog, and tables of every kind in them."""

    def __init__(self, catalog: Catalog, store: LocalStore, owner_id: int) -> None:
        self.store, self.datasets, self.identity = store, Datasets(catalog), catalog.identity()
        self._owner_id = owner_id
        claim(store, self.datasets, self.identity)

    def orphan(self) -> str:
        """Stored, and no row was ever written."""
        path = self.store.incoming()
        path.write_bytes(b"table")
        object_id = uuid4().hex
        self.store.commit(path, object_id)
        return object_id

    def named(self) -> tuple[str, str]:
        """Ids of a dataset and of its table."""
        object_id = self.orphan()
        table = ObjectRecord(object_id, 5, 1, 1, {"x": "int64"})
        return self.datasets.create(self._owner_id, "d", "", {}, {"edges": table}).id, object_id

    def unreferenced(self) -> str:
        """Its dataset was deleted."""
        dataset_id, object_id = self.named()
        self.datasets.delete(dataset_id)
        return object_id

    def sweep(self, age: timedelta) -> int:
        """What is garbage when bytes without a row have to be this old."""
        return sweep(self.store, self.datasets, self.identity, datetime.now(UTC) - age)

    def stored(self) -> set[str]:
        return {found.id for found in self.store.stored()}


@pytest.fixture
def garbage(catalog: Catalog, users: Users, tmp_path: Path) -> Iterator[Garbage]:
    store = LocalStore(tmp_path / "store")
    store.prepare()
    yield Garbage(catalog, store, users.add("ann", "long enough password").user_id)


def test_only_what_a_dataset_or_file_names_is_kept(garbage: Garbage) -> None:
    _, named = garbage.named()
    unreferenced, orphan = garbage.unreferenced(), garbage.orphan()
    assert garbage.sweep(NOW) == 2
    assert garbage.stored() == {named}
    assert garbage.datasets.known_objects([named, unreferenced, orphan]) == {named}
    assert garbage.sweep(NOW) == 0


def test_a_table_whose_row_is_still_to_be_written_is_left_alone(garbage: Garbage) -> None:
    just_stored, unreferenced = garbage.orphan(), garbage.unreferenced()
    assert garbage.sweep(timedelta(hours=1)) == 1
    assert garbage.stored() == {just_stored}
    assert unreferenced != just_stored


def test_more_orphans_than_one_statement_can_name_are_all_found(
    garbage: Garbage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.datasets.store.sweep._BATCH", 2)
    kept = {garbage.named()[1]}
    for _ in range(5):
        garbage.orphan()
    assert garbage.sweep(NOW) == 5
    assert garbage.stored() == kept


def test_looking_for_what_is_unreferenced_writes_nothing_where_there_is_none(
    garbage: Garbage, catalog: Catalog
) -> None:
    garbage.named()
    before = catalog.version()
    assert forget_unreferenced(garbage.store, garbage.datasets) == 0
    assert catalog.version() == before


def test_a_store_of_another_catalog_is_neither_claimed_nor_swept(garbage: Garbage) -> None:
    _, named = garbage.named()
    orphan = garbage.orphan()
    other = uuid4().hex
    with pytest.raises(StoreTaken):
        claim(garbage.store, garbage.datasets, other)
    assert sweep(garbage.store, garbage.datasets, other, datetime.now(UTC)) == 0
    assert garbage.stored() == {named, orphan}
    claim(garbage.store, garbage.datasets, garbage.identity)


def test_bytes_that_the_store_would_not_delete_are_collected_later(
    garbage: Garbage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(object_id: str) -> None:
        raise StoreUnavailable("the store does not answer", retry_after_s=5)

    garbage.unreferenced()
    with monkeypatch.context() as patched:
        patched.setattr(garbage.store, "delete", away)
        with pytest.raises(StoreUnavailable):
            forget_unreferenced(garbage.store, garbage.datasets)
    assert len(garbage.stored()) == 1
    assert garbage.sweep(NOW) == 1
    assert garbage.stored() == set()


def test_tables_of_which_a_catalog_knows_none_are_not_its_to_claim(catalog: Catalog, tmp_path: Path) -> None:
    store, datasets = LocalStore(tmp_path / "store"), Datasets(catalog)
    store.prepare()
    path = store.incoming()
    path.write_bytes(b"table of somebody else's")
    store.commit(path, uuid4().hex)
    with pytest.raises(StoreTaken):
        claim(store, datasets, catalog.identity())
    assert store.owner() is None
