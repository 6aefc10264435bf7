"""A backup has everything, of one moment, and comes back on any database and store."""

import io
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from auth.users import Users
from catalog.engine import migrate
from catalog.rows import found_tables
from deployments.launch import datadir
from deployments.launch.backup import Summary, back_up, restore
from deployments.launch.backup.archive import ArchiveWriter
from deployments.launch.errors import LaunchError
from runtime.datasets.records import Datasets
from runtime.datasets.store.base import Store
from tests.unit.launch.installation import NOW, PLACES, Install, fill


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (PLACES[0], PLACES[1]),
        (PLACES[1], PLACES[0]),
        *(pytest.param(*pair, marks=pytest.mark.soak) for pair in zip(PLACES, reversed(PLACES), strict=True)),
    ],
)
def test_every_row_and_byte_comes_back_on_another_database_and_store(
    install: Install, tmp_path: Path, source: tuple[str, str], target: tuple[str, str]
) -> None:
    there, here = install(*source).start(), install(*target)
    expected = fill(there)
    archive = tmp_path / "backup.tar"
    assert back_up(there.options, archive) == expected
    assert restore(here.options, archive) == expected
    assert here.rows() == there.rows()
    assert here.contents() == there.contents()
    old, new = there.catalog(), here.catalog()
    assert new.identity() != old.identity()
    assert Users(new).add("carl", "long enough password").user_id == 4  # ids go on after those that came
    for opened in (old, new):
        opened.close()
    assert datadir.prepare(here.options) is None  # and a start finds users, and garbage nowhere
    assert here.contents() == there.contents()


def test_the_file_is_its_owners_alone_and_has_no_keys_in_it(install: Install, tmp_path: Path) -> None:
    made = install().start()
    back_up(made.options, tmp_path / "backup.tar")
    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600
    archive = (tmp_path / "backup.tar").read_bytes()
    for secret in (made.options.settings.signing_key_file, datadir.ray_token_file(made.data_dir)):
        assert secret.read_bytes().strip() not in archive


def test_a_backup_replaces_nothing(install: Install, tmp_path: Path) -> None:
    made = install().start()
    target = tmp_path / "there"
    target.write_text("something else")
    with pytest.raises(LaunchError, match="already exists"):
        back_up(made.options, target)
    assert target.read_text() == "something else"
    with pytest.raises(LaunchError, match="is not a directory"):
        back_up(made.options, tmp_path / "no" / "such" / "place")


def test_a_table_that_is_deleted_meanwhile_makes_it_start_over(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = install().start(), install()
    going, staying = there.dataset(b"going"), there.dataset(b"staying")
    sizes: list[str] = []
    size = type(there.store).size

    def size_after_a_deletion(store: Store, object_id: str) -> int:
        if not sizes:
            catalog = there.catalog()
            datasets = Datasets(catalog)
            datasets.delete(going)
            for gone in datasets.forget_objects(datasets.unreferenced_objects()):
                store.delete(gone)
            catalog.close()
        sizes.append(object_id)
        return size(store, object_id)

    monkeypatch.setattr(type(there.store), "size", size_after_a_deletion)
    assert back_up(there.options, tmp_path / "backup.tar").datasets == 1
    restore(here.options, tmp_path / "backup.tar")
    assert list(here.contents().values()) == [b"staying"]
    assert [row["id"] for row in here.rows()["datasets"] if row["deleted_at"] is None] == [staying]


def test_a_table_that_is_missing_for_good_is_an_error_and_leaves_no_file(install: Install, tmp_path: Path) -> None:
    made = install().start()
    made.dataset()
    (object_id,) = made.contents()
    made.store.delete(object_id)
    with pytest.raises(LaunchError, match="missing from the store"):
        back_up(made.options, tmp_path / "backup.tar")
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []


def test_backups_of_a_server_at_work_are_each_one_moment_of_it(install: Install, tmp_path: Path) -> None:
    there = install().start()
    done = threading.Event()

    def work() -> None:
        catalog = there.catalog()
        datasets = Datasets(catalog)
        while not done.is_set():
            datasets.delete(there.dataset(uuid4().bytes))
            there.dataset(uuid4().bytes)
        catalog.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(3):
            back_up(there.options, tmp_path / f"{number}.tar")
    finally:
        done.set()
        worker.join()
    for number in range(3):
        here = install()
        restore(here.options, tmp_path / f"{number}.tar")
        assert {row["id"] for row in here.rows()["objects"]} == here.contents().keys()


FIRST_ROWS: dict[str, list[dict[str, Any]]] = {
    "users": [
        {"id": 5, "username": "ann", "email": "", "name": "Ann", "password_hash": "-", "is_admin": True,
         "is_active": True, "created_at": NOW.isoformat(), "tokens_valid_from": NOW.isoformat()},
    ],
    "objects": [
        {"id": "a" * 32, "byte_count": 5, "row_count": 1, "column_count": 1, "dtypes": {"x": "int64"},
         "created_at": NOW.isoformat()},
    ],
    "datasets": [
        {"id": "d" * 32, "owner_id": 5, "name": "first", "description": "", "payload": {"z": 1}, "deleted_at": None,
         "created_at": NOW.isoformat(), "updated_at": NOW.isoformat()},
    ],
    "dataset_tables": [{"dataset_id": "d" * 32, "role": "edges", "object_id": "a" * 32}],
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES[:2])
def test_an_archive_of_the_first_release_is_brought_up_to_date(
    install: Install, tmp_path: Path, place: tuple[str, str]
) -> None:
    url = f"sqlite:///{tmp_path}/first.sqlite"
    migrate(url, "0001")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection, (tmp_path / "first.tar").open("w+b") as file:
        writer = ArchiveWriter(file)
        for table in found_tables(connection):
            writer.add_rows(table.name, FIRST_ROWS.get(table.name, []))
        writer.add_object("a" * 32, 5, io.BytesIO(b"table"))
        writer.finish("0001")
    here = install(*place)
    assert restore(here.options, tmp_path / "first.tar") == Summary(1, 1, 0, 1, 5)
    after = here.rows()
    for name, rows in FIRST_ROWS.items():
        assert [{column: found[column] for column in row} for row, found in zip(rows, after[name], strict=True)] == rows
    assert here.contents() == {"a" * 32: b"table"}
