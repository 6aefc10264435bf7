"""``Bucket``: named files at a URL, through ``pyarrow.fs``; ``RemoteStore`` keeps its objects in one.

Every call ends within a deadline, whatever the other side does. It runs in a separate thread, which is abandoned when
the deadline passes; the file system's own time-outs end the thread later.
"""

import configparser
import logging
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast

import pyarrow as pa
from pyarrow import fs

from catalog.whole_file import fsync_directory, whole_file
from runtime.datasets.store.durable import storing
from runtime.datasets.store.location import StoreLocation
from runtime.errors import RuntimeFailure, StoreUnavailable

log = logging.getLogger("graphside.store")

CALL_S: Final = 30.0
"""Deadline of a call that transfers no table."""

BYTES_PER_S: Final = 2_000_000
"""A slower store counts as unavailable: a transfer gets one second more for so many bytes."""

CONNECT_S: Final = 5.0
RETRY_AFTER_S: Final = 5
ATTEMPTS: Final = 3
COPY_BYTES: Final = 8 * 1024 * 1024

MOST_THREADS: Final = 64
"""Calls at a time in one process, including abandoned calls that still hang."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Named:
    """A file in a bucket. ``name`` is the last part of its name only."""

    name: str
    byte_count: int
    stored_at: datetime


class Bucket:
    """Files under ``base`` in a file system that shows a file only when it is complete, as object stores do.

    Every method raises ``StoreUnavailable``, also if the store denies access.
    """

    def __init__(self, file_system: fs.FileSystem, base: str) -> None:
        self._fs = file_system
        self._base = base
        self._threads = threading.BoundedSemaphore(MOST_THREADS)

    def require(self) -> None:
        """Raise ``StoreUnavailable`` if the bucket does not exist or does not answer."""
        root = self._base.split("/")[0]

        def look() -> None:
            if self._fs.get_file_info(root).type != fs.FileType.Directory:
                raise FileNotFoundError(f"no bucket {root}")

        self._within(CALL_S, look)

    def put(self, source: Path, name: str) -> None:
        """Store a file's bytes under a name."""
        seconds = CALL_S + source.stat().st_size / BYTES_PER_S
        self._within(seconds, lambda: self._put(source, name))

    def get(self, name: str, target: Path) -> None:
        """Write the bytes over those of ``target``, a file of the same size. Raises ``FileNotFoundError``."""
        byte_count = target.stat().st_size
        seconds = CALL_S + byte_count / BYTES_PER_S
        self._within(seconds, lambda: self._get(name, target, byte_count), may_miss=True)

    def reader(self, name: str) -> BinaryIO:
        """Return the bytes as a stream. Raises ``FileNotFoundError``. The stream's own methods raise ``OSError``."""

        def open_stream() -> BinaryIO:
            return cast(BinaryIO, self._fs.open_input_stream(self._path(name)))

        return self._within(CALL_S, open_stream, may_miss=True)

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, or None if there is no such file."""
        info = self._within(CALL_S, lambda: self._fs.get_file_info(self._path(name)))
        return int(info.size) if info.type == fs.FileType.File else None

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder."""
        return [info.base_name for info in self._infos(folder) if info.type == fs.FileType.Directory]

    def files(self, folder: str) -> list[Named]:
        """Return the files directly in a folder."""
        files = [info for info in self._infos(folder) if info.type == fs.FileType.File]
        return [Named(info.base_name, info.size, info.mtime.astimezone(UTC)) for info in files if info.mtime]

    def delete(self, name: str) -> None:
        """Delete a file if it exists."""

        def remove() -> None:
            with suppress(FileNotFoundError):
                self._fs.delete_file(self._path(name))

        self._within(CALL_S, remove)

    def _infos(self, folder: str) -> list[fs.FileInfo]:
        selector = fs.FileSelector(self._path(folder), allow_not_found=True)
        return self._within(CALL_S, lambda: self._fs.get_file_info(selector))

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}"

    def _put(self, source: Path, name: str) -> None:
        path = self._path(name)
        with open(source, "rb", buffering=0) as data:
            try:
                with self._fs.open_output_stream(path) as out:
                    byte_count = _copy(data, out)
                if self._fs.get_file_info(path).size != byte_count:
                    raise OSError(f"{name} was stored with a different length")
            except BaseException:
                # The stream closes on errors too, and would leave a partial file.
                with suppress(OSError):
                    self._fs.delete_file(path)
                raise

    def _get(self, name: str, target: Path, byte_count: int) -> None:
        with self._fs.open_input_stream(self._path(name)) as data, open(target, "r+b", buffering=0) as out:
            if _copy(data, out) != byte_count:
                raise OSError(f"{name} has a different length than before")

    def _within(self, seconds: float, call: Callable[[], T], *, may_miss: bool = False) -> T:
        """Return what ``call`` returns. Raises ``StoreUnavailable`` if it raises or misses the deadline.

        ``may_miss``: let ``FileNotFoundError`` pass.
        """
        if not self._threads.acquire(timeout=seconds):
            raise _unavailable()
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # the caller's thread raises it again
                future.set_exception(error)
            finally:
                self._threads.release()

        threading.Thread(target=work, name="store", daemon=True).start()
        try:
            return future.result(seconds)
        except RuntimeFailure:
            raise
        except (OSError, pa.ArrowException) as error:  # TimeoutError is an OSError
            if may_miss and isinstance(error, FileNotFoundError):
                raise
            log.warning("store.failed error=%r", error)
            raise _unavailable() from error


class MountBucket(Bucket):
    """Files under a directory of a file system that other machines may have mounted too.

    Unlike an object store, it shows a file while it grows, and may lose a file that was not flushed.
    """

    def require(self) -> None:
        self._within(CALL_S, lambda: Path(self._base).mkdir(mode=0o700, parents=True, exist_ok=True))

    def _put(self, source: Path, name: str) -> None:
        target = Path(self._path(name))
        for folder in (
            target.parent.parent,
            target.parent,
        ):  # one by one, because mkdir does not apply the mode to parents
            folder.mkdir(mode=0o700, exist_ok=True)
        with storing(), open(source, "rb", buffering=0) as data, whole_file(target, 0o600) as out:
            _copy(data, out)
            os.fchmod(out.fileno(), 0o444)
        fsync_directory(target.parent)
        fsync_directory(target.parent.parent)


def open_bucket(location: StoreLocation, credentials_file: Path | None) -> Bucket:
    """Return the bucket at a location, without connecting yet. Raises ``ValueError`` for a bad credentials file."""
    options: dict[str, Any] = dict(location.options)  # keyword arguments; StoreLocation has checked their names
    if location.scheme == "file":
        return MountBucket(fs.LocalFileSystem(), location.base)
    if location.scheme == "gs":
        if credentials_file is not None:
            raise ValueError("gs:// takes its credentials from GOOGLE_APPLICATION_CREDENTIALS, not from a setting")
        limit = timedelta(seconds=CALL_S)
        return Bucket(fs.GcsFileSystem(retry_time_limit=limit, **options), location.base)
    if credentials_file is not None:
        options |= read_credentials(credentials_file)
    options["force_virtual_addressing"] = options.get("force_virtual_addressing", "false").lower() == "true"
    s3 = fs.S3FileSystem(
        connect_timeout=CONNECT_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **options,
    )
    return Bucket(s3, location.base)


def read_credentials(path: Path) -> dict[str, str]:
    """Return the keys in a file in the format of AWS's own tools, profile ``default``.

    Raises ``ValueError`` for a file that others can read or that lacks a key; the text never quotes the file.
    """
    try:
        status = path.stat()
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
        raise ValueError(f"{path} must be a file that nobody else can read (chmod 600)")
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text)
        section = parser["default"]
        keys = {"access_key": section["aws_access_key_id"], "secret_key": section["aws_secret_access_key"]}
    except (configparser.Error, KeyError):
        raise ValueError(
            f"{path} must have a section [default] with aws_access_key_id and aws_secret_access_key"
        ) from None
    token = section.get("aws_session_token")
    return {**keys, "session_token": token} if token else keys


def _copy(data: Any, out: Any) -> int:  # Any: files of Python and of Arrow, which only look alike
    count = 0
    while chunk := data.read(COPY_BYTES):
        view = memoryview(chunk)
        while view:
            written = out.write(view)
            view = view[written:] if written else view[len(view) :]
        count += len(chunk)
    return count


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable("the store of tables does not answer; try again later", retry_after_s=RETRY_AFTER_S)
