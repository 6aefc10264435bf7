"""Stores whose disk is full, that do not answer, that are not what they were said to be."""

import errno
import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.datasets.store import bucket
from runtime.datasets.store.base import Store
from runtime.datasets.store.bucket import MountBucket, open_bucket, read_credentials
from runtime.datasets.store.local import LocalStore
from runtime.datasets.store.location import StoreLocation, StoreOptions
from runtime.datasets.store.opening import open_store
from runtime.errors import StorageFull, StoreUnavailable
from runtime.sandbox.host.environment import template_environment
from tests.free_ports import free_port
from tests.s3_server import KEY, SECRET, S3Server, write_credentials
from tests.waiting import SLOW_S


def open_url(url: str, root: Path, credentials: Path | None = None) -> Store:
    location = StoreLocation.parse(url)
    return open_store(root / "data", StoreOptions(location, credentials, root / "cache", 1024 * 1024))


def incoming(store: Store, root: Path, content: bytes = b"abc") -> Path:
    (root / "data" / "incoming").mkdir(parents=True, exist_ok=True)
    path = store.incoming()
    path.write_bytes(content)
    return path


@contextmanager
def stopped(server: S3Server) -> Iterator[None]:
    """The server is there and says nothing."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("place", ["local", "file"])
def test_a_full_disk_is_named_and_leaves_no_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, place: str
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    store: Store = LocalStore(tmp_path / "data") if place == "local" else open_url(f"file://{tmp_path}/m", tmp_path)
    store.prepare()
    path, object_id = incoming(store, tmp_path), uuid.uuid4().hex
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            store.commit(path, object_id)
    assert path.exists()
    assert list(store.stored()) == []


def test_a_mount_that_is_full_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_data: object, _out: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    store = open_url(f"file://{tmp_path}/mount", tmp_path)
    store.prepare()
    with monkeypatch.context() as patched:
        patched.setattr(bucket, "_copy", full)
        with pytest.raises(StorageFull):
            store.commit(incoming(store, tmp_path), uuid.uuid4().hex)
    assert [path for path in (tmp_path / "mount").rglob("*") if path.is_file()] == []


def test_a_half_file_of_a_writer_that_died_goes_after_a_day(tmp_path: Path) -> None:
    store = open_url(f"file://{tmp_path}/mount", tmp_path)
    store.prepare()
    shard = tmp_path / "mount" / "objects" / "ab"
    shard.mkdir(parents=True)
    old, new = shard / ".old.half", shard / ".new.half"
    for path in (old, new):
        path.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    assert list(store.stored()) == []
    assert list(shard.iterdir()) == [new]


def test_an_upload_that_breaks_off_leaves_no_object(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(data: object, out: object) -> int:
        out.write(b"half")  # type: ignore[attr-defined]
        raise OSError(errno.EIO, "the disk under it failed")

    url = s3.new_bucket()
    store = open_url(url, tmp_path, write_credentials(tmp_path / "credentials"))
    store.prepare()
    with monkeypatch.context() as patched:
        patched.setattr(bucket, "_copy", breaks_off)
        with pytest.raises(StoreUnavailable):
            store.commit(incoming(store, tmp_path), uuid.uuid4().hex)
    assert s3.keys(url) == []


def test_a_store_that_nobody_serves_is_unavailable_and_says_when_to_come_again(tmp_path: Path) -> None:
    url = f"s3://bucket?endpoint_override=127.0.0.1:{free_port()}&scheme=http&region=us-east-1"
    store = open_url(url, tmp_path, write_credentials(tmp_path / "credentials"))
    started = time.monotonic()
    with pytest.raises(StoreUnavailable) as raised:
        store.commit(incoming(store, tmp_path), uuid.uuid4().hex)
    assert raised.value.fields == {"retry_after_s": 5}
    assert time.monotonic() - started < 30 + SLOW_S
    assert "127.0.0.1" not in raised.value.message


def test_a_store_that_hangs_holds_nobody_beyond_the_deadline(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_url(s3.new_bucket(), tmp_path, write_credentials(tmp_path / "credentials"))
    store.prepare()
    monkeypatch.setattr(bucket, "CALL_S", 0.3)
    path = incoming(store, tmp_path)
    with stopped(s3):
        for call in (lambda: store.commit(path, uuid.uuid4().hex), lambda: store.size("a" * 32)):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable):
                call()
            assert time.monotonic() - started < 0.3 + SLOW_S


def test_a_bucket_that_does_not_exist_is_noticed_at_the_start(s3: S3Server, tmp_path: Path) -> None:
    store = open_url(s3.store_url("no-such-bucket/prefix"), tmp_path, write_credentials(tmp_path / "credentials"))
    with pytest.raises(StoreUnavailable):
        store.prepare()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("/var/lib/graphside", "must start with one of"),
        ("ftp://host/dir", "must start with one of"),
        ("s3://", "needs a bucket"),
        ("s3:///prefix", "needs a bucket"),
        ("s3://host:9000/bucket", "endpoint_override"),
        ("s3://key:secret@bucket", "must not contain credentials"),
        ("s3://bucket?access_key=a", "does not know access_key"),
        ("s3://bucket?scheme=ftp", "http or https"),
        ("s3://bucket#x", "fragment"),
        ("s3://bucket/../other", "must not contain . or .."),
        ("file://host/dir", "absolute path"),
        ("file:///", "absolute path"),
        ("file:///mnt?mode=r", "does not know mode"),
        ("gs://bucket?region=x", "does not know region"),
    ],
)
def test_a_url_that_is_no_store_is_refused_without_being_repeated(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        StoreLocation.parse(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("s3://bucket", "bucket"),
        ("s3://bucket/", "bucket"),
        ("s3://bucket//a/b/?region=eu-central-1", "bucket/a/b"),
        ("gs://bucket/a%20b", "bucket/a b"),
        ("file:///mnt/shared/", "/mnt/shared"),
    ],
)
def test_a_url_names_a_place(url: str, base: str) -> None:
    assert StoreLocation.parse(url).base == base


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (f"[default]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n", 0o644, "chmod 600"),
        (f"[default]\naws_secret_access_key={SECRET}\n", 0o600, "section"),
        (f"[other]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n", 0o600, "section"),
        (f"{SECRET}\n", 0o600, "section"),
    ],
)
def test_a_credentials_file_that_is_no_good_is_refused_and_not_quoted(
    tmp_path: Path, text: str, mode: int, reason: str
) -> None:
    path = tmp_path / "credentials"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ValueError, match=reason) as raised:
        read_credentials(path)
    assert SECRET not in str(raised.value)


def test_a_session_token_is_part_of_the_keys(tmp_path: Path) -> None:
    path = write_credentials(tmp_path / "credentials")
    path.write_text(path.read_text() + "aws_session_token = %token\n")
    assert read_credentials(path) == {"access_key": KEY, "secret_key": SECRET, "session_token": "%token"}


def test_google_takes_no_credentials_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        open_bucket(StoreLocation.parse("gs://bucket"), write_credentials(tmp_path / "credentials"))


def test_a_file_url_is_a_mount() -> None:
    assert isinstance(open_bucket(StoreLocation.parse("file:///mnt/shared"), None), MountBucket)


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"])
def test_no_key_of_the_store_reaches_what_runs_tasks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)
    assert SECRET not in template_environment().values()
