"""The local store: durable, read-only objects under ids that are nobody's paths."""

import errno
import os
import stat
import uuid
from pathlib import Path

import pytest

from runtime.datasets.store import LocalStore, Store
from runtime.errors import DatasetUnreadable, StorageFull


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    local = LocalStore(tmp_path / "data")
    local.prepare()
    return local


def _commit(store: LocalStore, content: bytes = b"table") -> str:
    path, object_id = store.incoming(), uuid.uuid4().hex
    path.write_bytes(content)
    store.commit(path, object_id)
    return object_id


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_local_store_is_a_store(store: LocalStore) -> None:
    anything: Store = store
    assert anything is store


def test_a_committed_object_can_be_read_by_descriptor(store: LocalStore) -> None:
    object_id = _commit(store, b"abc")
    descriptor = store.open_object(object_id)
    try:
        assert os.read(descriptor, 10) == b"abc"
        assert not os.get_inheritable(descriptor)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptor, b"x")
    finally:
        os.close(descriptor)
    assert store.size(object_id) == 3


def test_a_committed_object_is_read_only_and_its_upload_is_gone(store: LocalStore, tmp_path: Path) -> None:
    path = store.object_path(_commit(store))
    assert path.parent.name == path.stem[:2]
    assert _mode(path) == 0o444
    assert list((tmp_path / "data" / "incoming").iterdir()) == []


def test_directories_belong_to_the_owner_alone(store: LocalStore, tmp_path: Path) -> None:
    _commit(store)
    for directory in ("", "objects", "incoming", "scratch"):
        assert _mode(tmp_path / "data" / directory) == 0o700


def test_incoming_paths_are_never_the_same(store: LocalStore) -> None:
    assert len({store.incoming() for _ in range(100)}) == 100


def test_an_object_is_never_replaced(store: LocalStore) -> None:
    object_id = _commit(store, b"first")
    path = store.incoming()
    path.write_bytes(b"second")
    with pytest.raises(FileExistsError):
        store.commit(path, object_id)
    assert store.object_path(object_id).read_bytes() == b"first"


def test_a_link_cannot_become_an_object(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"key")
    path = store.incoming()
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        store.commit(path, uuid.uuid4().hex)
    assert _mode(tmp_path / "secret") != 0o444


@pytest.mark.parametrize(
    "object_id", ["", "../../etc/passwd", "A" * 32, "a" * 31, "a" * 33, "a" * 31 + "/", "a" * 32 + "\n", "é" * 32]
)
def test_only_32_hex_digits_name_an_object(store: LocalStore, object_id: str) -> None:
    for method in (store.object_path, store.open_object, store.size, store.delete):
        with pytest.raises(ValueError, match="32 lower-case hex"):
            method(object_id)


def test_a_deleted_object_is_missing_and_open_descriptors_stay_good(store: LocalStore) -> None:
    object_id = _commit(store, b"abc")
    descriptor = store.open_object(object_id)
    store.delete(object_id)
    store.delete(object_id)
    assert os.read(descriptor, 10) == b"abc"
    os.close(descriptor)
    for method in (store.open_object, store.size):
        with pytest.raises(DatasetUnreadable):
            method(object_id)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_and_leaves_no_object(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    object_id = uuid.uuid4().hex
    path = store.incoming()
    path.write_bytes(b"abc")
    with pytest.raises(StorageFull):
        store.commit(path, object_id)
    assert not store.object_path(object_id).exists()


def test_other_errors_of_the_disk_pass_unchanged(store: LocalStore) -> None:
    with pytest.raises(FileNotFoundError):
        store.commit(store.incoming(), uuid.uuid4().hex)


def test_prepare_keeps_objects_and_empties_the_rest(store: LocalStore, tmp_path: Path) -> None:
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
    LocalStore(tmp_path / "data").prepare()
    assert store.object_path(object_id).read_bytes() == b"abc"
    assert list((tmp_path / "data" / "incoming").iterdir()) == []
    assert list((tmp_path / "data" / "scratch").iterdir()) == []
    assert (outside / "kept").read_bytes() == b"kept"
