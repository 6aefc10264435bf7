"""What a user has stored, and that no more than allowed is kept."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from auth.users import Users
from catalog.engine import Catalog
from runtime.datasets.records import Datasets, Files, ObjectRecord, StoredBytes
from runtime.datasets.records import usage as usage_of_rows
from runtime.datasets.records.paging import LISTED_BYTES
from runtime.errors import StorageFull


@pytest.fixture
def ann(users: Users) -> int:
    return users.add("ann", "correct horse battery").user_id


def table(byte_count: int) -> ObjectRecord:
    return ObjectRecord(uuid4().hex, byte_count, 1, 1, {"a": "int64"})


def uploaded(files: Files, owner_id: int, byte_count: int) -> ObjectRecord:
    stored = table(byte_count)
    files.uploaded(files.create(owner_id, file_type="arrow").id, stored, 1)
    return stored


def test_each_stored_table_counts_once_for_each_owner(catalog: Catalog, users: Users, ann: int) -> None:
    files, datasets, usage = Files(catalog), Datasets(catalog), StoredBytes(catalog)
    bob = users.add("bob", "correct horse battery").user_id
    assert usage.used(ann) == 0
    edges = uploaded(files, ann, 100)
    made = [datasets.create(ann, "", "", {}, {"edges": edges.id, "nodes": table(10)}) for _ in range(2)]
    assert usage.used(ann) == 120
    datasets.create(bob, "", "", {}, {"edges": edges.id})
    assert (usage.used(ann), usage.used(bob)) == (120, 100)
    datasets.delete(made[0].id)
    assert usage.used(ann) == 110


def test_an_expired_dataset_takes_nothing(catalog: Catalog, ann: int) -> None:
    ended = datetime.now(UTC) - timedelta(seconds=1)
    Datasets(catalog).create(ann, "", "", {}, {"edges": table(100)}, expires_at=ended)
    assert StoredBytes(catalog).used(ann) == 0


def test_what_does_not_fit_is_not_kept(catalog: Catalog, ann: int) -> None:
    files, datasets, usage = Files(catalog, 100), Datasets(catalog, most_bytes=100), StoredBytes(catalog, 100)
    file, dataset = files.create(ann, file_type="csv"), datasets.create(ann, "", "", {}, {"edges": table(60)})
    too_much = table(41)
    for keep in (
        lambda: files.uploaded(file.id, too_much, 1),
        lambda: datasets.attach(dataset.id, "nodes", too_much),
        lambda: datasets.create(ann, "", "", {}, {"edges": too_much}),
    ):
        with pytest.raises(StorageFull) as raised:
            keep()
        assert raised.value.fields == {"limit_name": "stored_bytes", "limit": 100, "observed": 101}
    assert files.get(file.id, ann) == file
    assert datasets.get(dataset.id) == dataset
    assert datasets.known_objects([too_much.id]) == set()
    assert usage.used(ann) == 60
    datasets.attach(dataset.id, "nodes", table(40))
    assert usage.used(ann) == 100


def test_a_table_that_replaces_another_needs_only_the_difference(catalog: Catalog, ann: int) -> None:
    datasets, usage = Datasets(catalog, most_bytes=100), StoredBytes(catalog, 100)
    dataset = datasets.create(ann, "", "", {}, {"edges": table(90)})
    datasets.attach(dataset.id, "edges", table(100))
    assert usage.used(ann) == 100


def test_over_a_limit_that_was_lowered_one_may_still_keep_less(catalog: Catalog, ann: int) -> None:
    edges = uploaded(Files(catalog), ann, 90)
    made = Datasets(catalog).create(ann, "", "", {}, {"nodes": table(90)})
    lowered = Datasets(catalog, most_bytes=50)
    lowered.create(ann, "", "", {}, {"edges": edges.id})
    lowered.attach(made.id, "nodes", table(80))
    with pytest.raises(StorageFull):
        lowered.attach(made.id, "nodes", table(81))


@pytest.mark.parametrize(
    ("announced", "replaced", "fits"),
    [(0, 0, True), (40, 0, True), (41, 0, False), (50, 10, True), (51, 10, False)],
)
def test_a_body_that_cannot_fit_is_known_before(
    catalog: Catalog, ann: int, announced: int, replaced: int, fits: bool
) -> None:
    uploaded(Files(catalog), ann, 60)
    usage = StoredBytes(catalog, 100)
    if fits:
        usage.check(ann, announced, replaced)
    else:
        with pytest.raises(StorageFull):
            usage.check(ann, announced, replaced)


def test_a_full_store_takes_nothing_more_unless_it_replaces(catalog: Catalog, ann: int) -> None:
    uploaded(Files(catalog), ann, 100)
    usage = StoredBytes(catalog, 100)
    with pytest.raises(StorageFull):
        usage.check(ann, 0, 0)
    usage.check(ann, 0, 1)
    StoredBytes(catalog).check(ann, 10**12, 0)


def test_many_small_descriptions_count_as_much_as_few_long_ones(
    catalog: Catalog, ann: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_of_rows, "FREE_ROWS", 3)
    files, datasets = Files(catalog, 2 * LISTED_BYTES), Datasets(catalog, most_bytes=2 * LISTED_BYTES)
    for _ in range(4):
        datasets.create(ann, "", "x" * 1000, {}, {})
        made = files.create(ann, file_type="csv")
    assert StoredBytes(catalog).used(ann) == 2 * LISTED_BYTES
    with pytest.raises(StorageFull):
        datasets.create(ann, "", "", {}, {})
    with pytest.raises(StorageFull):
        files.create(ann, file_type="csv")
    files.delete(made.id, ann)
    gone = datasets.create(ann, "", "", {}, {})
    datasets.delete(gone.id)
    files.create(ann, file_type="csv")


def test_uploads_at_once_cannot_all_take_the_last_room(catalog: Catalog, ann: int) -> None:
    datasets = Datasets(catalog, most_bytes=100)
    made = [datasets.create(ann, "", "", {}, {}).id for _ in range(8)]

    def attach(dataset_id: str) -> bool:
        try:
            datasets.attach(dataset_id, "edges", table(30))
        except StorageFull:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attach, made)) == 3
    assert StoredBytes(catalog).used(ann) == 90
