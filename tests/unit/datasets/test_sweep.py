"""What a start finds of a crash."""

from pathlib import Path
from uuid import uuid4

from auth.users import Users
from catalog.engine import Catalog
from runtime.datasets.records import Datasets, ObjectRecord
from runtime.datasets.store import LocalStore
from runtime.datasets.sweep import sweep


def stored(store: LocalStore) -> str:
    path = store.incoming()
    path.write_bytes(b"table")
    object_id = uuid4().hex
    store.commit(path, object_id)
    return object_id


def test_only_what_a_dataset_or_file_names_is_kept(catalog: Catalog, users: Users, tmp_path: Path) -> None:
    store, datasets = LocalStore(tmp_path / "store"), Datasets(catalog)
    store.prepare()
    owner = users.add("ann", "long enough password")
    named, deleted, never_named = stored(store), stored(store), stored(store)
    for object_id in (named, deleted):
        table = ObjectRecord(object_id, 5, 1, 1, {"x": "int64"})
        dataset = datasets.create(owner.user_id, "d", "", {}, {"edges": table})
    datasets.delete(dataset.id)
    assert sweep(store, datasets) == 2
    assert store.object_ids() == [named]
    assert never_named not in datasets.known_objects([named, never_named])
