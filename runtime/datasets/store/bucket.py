"""Named bytes at a URL, over ``pyarrow.fs``: what ``RemoteStore`` is made of.

Every call ends within a deadline, whatever the other side does: it runs in a thread of its own, which is left to itself
when the deadline passes. The file systems' own time-outs end it later.
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
"""How long a call that moves no table may take."""

BYTES_PER_S: Final = 2_000_000
"""A store that is slower than this is as good as away."""

CONNECT_S: Final = 5.0
RETRY_AFTER_S: Final = 5
ATTEMPTS: Final = 3
COPY_BYTES: Final = 8 * 1024 * 1024

MOST_THREADS: Final = 64
"""Calls of one process at a time, those that were given up and still hang among them."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Named:
    """``name`` is the last part only."""

    name: str
    byte_count: int
    stored_at: datetime


class Bucket:
    """Names under ``base`` of a file system that shows a file when it is whole (object stores do).

    Everything raises ``StoreUnavailable``, also where the store refuses us.
    """

    def __init__(self, file_system: fs.FileSystem, base: str) -> None:
        self._fs = file_system
        self._base = base
        self._threads = threading.BoundedSemaphore(MOST_THREADS)

    def require(self) -> None:
        """Raises ``StoreUnavailable`` where there is no such bucket or it does not answer."""
        root = self._base.split("/")[0]

        def look() -> None:
            if self._fs.get_file_info(root).type != fs.FileType.Directory:
                raise FileNotFoundError(f"no bucket {root}")

        self._within(CALL_S, look)

    def put(self, source: Path, name: str) -> None:
        """Stores a file's bytes under a name."""
        seconds = CALL_S + source.stat().st_size / BYTES_PER_S
        self._within(seconds, lambda: self._put(source, name))

    def get(self, name: str, target: Path) -> None:
        """Writes the bytes over those of a file that is as long as they are. Raises ``FileNotFoundError``."""
        byte_count = target.stat().st_size
        seconds = CALL_S + byte_count / BYTES_PER_S
        self._within(seconds, lambda: self._get(name, target, byte_count), may_miss=True)

    def reader(self, name: str) -> BinaryIO:
        """The bytes as a stream. Raises ``FileNotFoundError``. The stream's own calls raise ``OSError``."""

        def open_stream() -> BinaryIO:
            return cast(BinaryIO, self._fs.open_input_stream(self._path(name)))

        return self._within(CALL_S, open_stream, may_miss=True)

    def size(self, name: str) -> int | None:
        """How many bytes there are under the name; None where there is nothing."""
        info = self._within(CALL_S, lambda: self._fs.get_file_info(self._path(name)))
        return int(info.size) if info.type == fs.FileType.File else None

    def folders(self, folder: str) -> list[str]:
        """Names of the folders directly in a folder."""
        return [info.base_name for info in self._infos(folder) if info.type == fs.FileType.Directory]

    def listed(self, folder: str) -> list[Named]:
        """The files directly in a folder."""
        files = [info for info in self._infos(folder) if info.type == fs.FileType.File]
        return [Named(info.base_name, info.size, info.mtime.astimezone(UTC)) for info in files if info.mtime]

    def delete(self, name: str) -> None:
        """Removes a name; one that does not exist is fine."""

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
                    raise OSError(f"{name} was stored with another length")
            except BaseException:
                # The stream closes on errors too, and what was written until then would stay.
                with suppress(OSError):
                    self._fs.delete_file(path)
                raise

    def _get(self, name: str, target: Path, byte_count: int) -> None:
        with self._fs.open_input_stream(self._path(name)) as data, open(target, "r+b", buffering=0) as out:
            if _copy(data, out) != byte_count:
                raise OSError(f"{name} has another length than it had")

    def _within(self, seconds: float, call: Callable[[], T], *, may_miss: bool = False) -> T:
        """What ``call`` returns. Raises ``StoreUnavailable`` for whatever it raises, and when the time is over.

        ``may_miss``: but ``FileNotFoundError`` for what is not there.
        """
        if not self._threads.acquire(timeout=seconds):
            raise _unavailable()
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # the boundary of this thread: raised again in the caller's
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
    """Names under a directory of a file system that other machines may have mounted too.

    Unlike a bucket it shows a file as it grows, and forgets one that was not flushed.
    """

    def require(self) -> None:
        self._within(CALL_S, lambda: Path(self._base).mkdir(mode=0o700, parents=True, exist_ok=True))

    def _put(self, source: Path, name: str) -> None:
        target = Path(self._path(name))
        for folder in (target.parent.parent, target.parent):  # one by one: their mode is not given to parents
            folder.mkdir(mode=0o700, exist_ok=True)
        with storing(), open(source, "rb", buffering=0) as data, whole_file(target, 0o600) as out:
            _copy(data, out)
            os.fchmod(out.fileno(), 0o444)
        fsync_directory(target.parent)
        fsync_directory(target.parent.parent)


def open_bucket(location: StoreLocation, credentials_file: Path | None) -> Bucket:
    """The bucket at a location. Connects nowhere yet. Raises ``ValueError`` where the file is no good."""
    options: dict[str, Any] = dict(location.options)  # keyword by keyword; store_location knows which
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
    """The keys in a file of the form that AWS's own tools use, profile ``default``.

    Raises ``ValueError`` for a file that others can read or that lacks a key, and never quotes it.
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


def _copy(data: Any, out: Any) -> int:  # Any: Python's files, and Arrow's, which only look like them
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
