"""Every store: durable, read-only objects under ids that are nobody's paths."""

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.datasets.store.base import Store
from runtime.datasets.store.local import LocalStore
from runtime.datasets.store.location import StoreLocation, StoreOptions
from runtime.datasets.store.opening import open_store
from runtime.errors import DatasetUnreadable
from tests.s3_server import S3Server, write_credentials


@dataclass(frozen=True)
class Stores:
    """Opens one place's store, as another process or another node would."""

    url: str | None
    root: Path
    credentials: Path | None

    def open(self, node: str = "node") -> Store:
        options = StoreOptions(
            location=None if self.url is None else StoreLocation.parse(self.url),
            credentials_file=self.credentials,
            cache_dir=self.root / node,
            cache_bytes=1024 * 1024,
        )
        return open_store(self.root / "data", options)


@pytest.fixture(params=["local", "file", "s3"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    credentials = None
    url = None
    if request.param == "file":
        url = f"file://{tmp_path}/mount"
    elif request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        url, credentials = server.new_bucket(), write_credentials(tmp_path / "credentials")
    return Stores(url, tmp_path, credentials)


@pytest.fixture
def store(stores: Stores) -> Store:
    opened = stores.open()
    opened.prepare()
    return opened


def _commit(store: Store, content: bytes = b"table") -> str:
    path, object_id = store.incoming(), uuid.uuid4().hex
    path.write_bytes(content)
    store.commit(path, object_id)
    return object_id


def content_of(store: Store, object_id: str) -> bytes:
    descriptor = store.open_object(object_id)
    with os.fdopen(descriptor, "rb") as data:
        return data.read()


def incoming_files(store: Store) -> list[Path]:
    return list(store.incoming().parent.iterdir())


def test_a_committed_object_can_be_read_by_descriptor(store: Store) -> None:
    object_id = _commit(store, b"abc")
    descriptor = store.open_object(object_id)
    try:
        assert os.read(descriptor, 10) == b"abc"
        assert not os.get_inheritable(descriptor)
        assert os.fstat(descriptor).st_mode & 0o777 == 0o444
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptor, b"x")
    finally:
        os.close(descriptor)
    assert store.size(object_id) == 3


def test_the_bytes_come_back_on_another_node(stores: Stores, store: Store) -> None:
    content = os.urandom(700_000)
    object_id = _commit(store, content)
    other = stores.open("another")
    assert content_of(other, object_id) == content
    assert content_of(other, object_id) == content
    with store.reader(object_id) as stream:
        assert stream.read() == content


def test_an_object_without_bytes_is_an_object(stores: Stores, store: Store) -> None:
    object_id = _commit(store, b"")
    assert content_of(stores.open("another"), object_id) == b""
    assert store.size(object_id) == 0


def test_a_committed_upload_is_gone_from_incoming(store: Store) -> None:
    _commit(store)
    assert incoming_files(store) == []


def test_directories_belong_to_the_owner_alone(store: Store, tmp_path: Path) -> None:
    _commit(store)
    for directory in (path for path in tmp_path.rglob("*") if path.is_dir()):
        assert directory.stat().st_mode & 0o777 == 0o700, directory


def test_incoming_paths_are_never_the_same(store: Store) -> None:
    assert len({store.incoming() for _ in range(100)}) == 100


def test_an_object_is_never_replaced(stores: Stores, store: Store) -> None:
    object_id = _commit(store, b"first")
    path = store.incoming()
    path.write_bytes(b"second")
    with pytest.raises(FileExistsError):
        store.commit(path, object_id)
    assert path.exists()
    assert content_of(stores.open("another"), object_id) == b"first"


def test_a_link_cannot_become_an_object(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"key")
    path = store.incoming()
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        store.commit(path, uuid.uuid4().hex)
    assert (tmp_path / "secret").stat().st_mode & 0o777 != 0o444


@pytest.mark.parametrize(
    "object_id", ["", "../../etc/passwd", "A" * 32, "a" * 31, "a" * 33, "a" * 31 + "/", "a" * 32 + "\n", "é" * 32]
)
def test_only_32_hex_digits_name_an_object(store: Store, object_id: str) -> None:
    methods: tuple[Callable[[str], object], ...] = (store.open_object, store.reader, store.size, store.delete)
    for method in methods:
        with pytest.raises(ValueError, match="32 lower-case hex"):
            method(object_id)
    path = store.incoming()
    path.write_bytes(b"x")
    with pytest.raises(ValueError, match="32 lower-case hex"):
        store.commit(path, object_id)


def test_a_deleted_object_is_missing_and_open_descriptors_stay_good(store: Store) -> None:
    object_id = _commit(store, b"abc")
    descriptor = store.open_object(object_id)
    store.delete(object_id)
    store.delete(object_id)
    assert os.read(descriptor, 10) == b"abc"
    os.close(descriptor)
    methods: tuple[Callable[[str], object], ...] = (store.open_object, store.reader, store.size)
    for method in methods:
        with pytest.raises(DatasetUnreadable):
            method(object_id)


def test_other_errors_of_the_disk_pass_unchanged(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.commit(store.incoming(), uuid.uuid4().hex)


def test_what_is_stored_is_listed_with_its_size_and_time(stores: Stores, store: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # an S3 server tells whole seconds
    sizes = {_commit(store, b"x" * size): size for size in (1, 2, 3)}
    deleted = _commit(store)
    store.delete(deleted)
    listed = list(stores.open().stored())
    assert {found.id: found.byte_count for found in listed} == sizes
    assert all(before <= found.stored_at <= datetime.now(UTC) for found in listed)


def test_whose_it_is_can_be_written_down(stores: Stores, store: Store) -> None:
    assert store.owner() is None
    store.set_owner("0" * 32)
    assert stores.open("another").owner() == "0" * 32
    assert list(store.stored()) == []
    assert incoming_files(store) == []


def test_only_uploads_that_nobody_writes_to_any_more_are_forgotten(store: Store) -> None:
    dead, living = store.incoming(), store.incoming()
    for path in (dead, living):
        path.write_bytes(b"half an upload")
    day_ago = datetime.now(UTC).timestamp() - 86_400
    os.utime(dead, (day_ago, day_ago))
    assert store.forget_incoming(3600) == 1
    assert incoming_files(store) == [living]


def test_prepare_keeps_objects_and_empties_the_rest(stores: Stores, store: Store, tmp_path: Path) -> None:
    object_id = _commit(store, b"abc")
    store.incoming().write_bytes(b"half an upload")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    locked = tmp_path / "data" / "scratch" / "run" / "locked"
    locked.mkdir(parents=True)
    (locked / "file").write_bytes(b"x")
    (locked.parent / "link").symlink_to(outside)
    (tmp_path / "data" / "scratch" / "link").symlink_to(outside)
    locked.chmod(0)
    locked.parent.chmod(0)
    again = stores.open()
    again.prepare()
    assert content_of(again, object_id) == b"abc"
    assert incoming_files(store) == []
    assert list((tmp_path / "data" / "scratch").iterdir()) == []
    assert (outside / "kept").read_bytes() == b"kept"


def test_where_a_local_object_lies(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.prepare()
    path = store.object_path(_commit(store))
    assert path.parent.name == path.stem[:2]
    assert path.parent.parent == tmp_path / "objects"
