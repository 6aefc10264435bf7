"""The file of a backup: a tar archive. It is read in order, and no member chooses a file name.

catalog/<table>.jsonl    one line for each row
objects/<id>.arrow       a stored table
manifest.json            the last member: the schema's revision, bytes and SHA-256 of every other member
"""

import hashlib
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any, BinaryIO, Final  # Any: JSON values

from catalog.rows import JsonRow

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_ROWS = re.compile(r"catalog/([a-z_]{1,64})\.jsonl")
_OBJECT = re.compile(r"objects/([0-9a-f]{32})\.arrow")
_REVISION = re.compile(r"(?!0000)[0-9]{4}")  # consecutive numbers, so later ones compare greater
_LARGEST_MANIFEST: Final = 1024**3


class DamagedArchive(Exception):
    """The file is not an archive of ours, or not whole. The message is one line."""


@dataclass(frozen=True, slots=True)
class Member:
    """The manifest's entry for one member."""

    byte_count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The archive's list of contents. ``revision``: of the catalog's schema."""

    revision: str
    members: dict[str, Member]


class ArchiveWriter:
    """Write an archive to an open file. Without ``finish`` it is not whole."""

    def __init__(self, file: BinaryIO) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)
        self._members: dict[str, Member] = {}

    def add_rows(self, table: str, rows: Iterable[JsonRow]) -> int:
        """Add a table's rows. Return how many there were."""
        count = 0
        with tempfile.TemporaryFile() as lines:  # tar needs the length first
            for row in rows:
                lines.write(json.dumps(row).encode("ascii") + b"\n")
                count += 1
            size = lines.tell()
            lines.seek(0)
            self._add(f"catalog/{table}.jsonl", size, lines)
        return count

    def add_object(self, object_id: str, byte_count: int, data: BinaryIO) -> None:
        """Add a stored table's bytes. Raises ``OSError`` if there are fewer than ``byte_count``."""
        self._add(f"objects/{object_id}.arrow", byte_count, data)

    def finish(self, revision: str) -> None:
        """Write the manifest."""
        members = {name: asdict(member) for name, member in self._members.items()}
        manifest = json.dumps({"format": FORMAT, "revision": revision, "members": members}).encode("ascii")
        self._tar.addfile(_header(_MANIFEST, len(manifest)), io.BytesIO(manifest))
        self._tar.close()

    def _add(self, name: str, size: int, data: IO[bytes]) -> None:
        hashing = _Hashing(data)
        self._tar.addfile(_header(name, size), hashing)
        self._members[name] = Member(size, hashing.sha256.hexdigest())


class Archive:
    """An archive that was read to its end and is whole."""

    def __init__(self, file: BinaryIO, newest_revision: str) -> None:
        """Raises ``DamagedArchive``, also for an archive of a release after ``newest_revision``."""
        self._file = file
        found = dict(self._read_all())
        manifest = found.pop(_MANIFEST, None)
        self.manifest = _parsed(manifest, newest_revision)
        if {name: member for name, (member, _) in found.items()} != self.manifest.members:
            raise DamagedArchive("the archive is damaged: its parts differ from its list of parts")

    def row_tables(self) -> list[str]:
        """Return the names of the tables whose rows it has."""
        return [match[1] for name in self.manifest.members if (match := _ROWS.fullmatch(name))]

    def rows(self) -> Iterator[tuple[str, Iterator[JsonRow]]]:
        """Yield each table's name and rows, in the archive's order. Read the rows before the next table."""
        for name, data in self._members(_ROWS):
            yield name, (json.loads(line) for line in data)

    def objects(self) -> Iterator[tuple[str, IO[bytes], Member]]:
        """Yield each stored table's id, bytes and manifest entry. Read the bytes before the next table."""
        for object_id, data in self._members(_OBJECT):
            yield object_id, data, self.manifest.members[f"objects/{object_id}.arrow"]

    @property
    def object_sizes(self) -> dict[str, int]:
        """Return the bytes of each stored table by id."""
        members = self.manifest.members.items()
        return {match[1]: member.byte_count for name, member in members if (match := _OBJECT.fullmatch(name))}

    def _members(self, kind: re.Pattern[str]) -> Iterator[tuple[str, IO[bytes]]]:
        with self._tar() as tar:
            for info in tar:
                match = kind.fullmatch(info.name)
                data = tar.extractfile(info) if match else None
                if match and data is not None:
                    yield match[1], data

    def _read_all(self) -> Iterator[tuple[str, tuple[Member, bytes]]]:
        """Yield each member's name, length and hash, and the manifest's bytes."""
        names: set[str] = set()
        with self._tar() as tar:
            for info in tar:
                known = info.name == _MANIFEST or _ROWS.fullmatch(info.name) or _OBJECT.fullmatch(info.name)
                if not known or info.type != tarfile.REGTYPE or info.name in names or _MANIFEST in names:
                    raise DamagedArchive("the archive has a part that is in no backup of this server")
                names.add(info.name)
                data = tar.extractfile(info)
                assert data is not None
                hashing = _Hashing(data)
                kept = b""
                if info.name == _MANIFEST:
                    kept = hashing.read(_LARGEST_MANIFEST)
                while hashing.read(1024 * 1024):
                    pass
                yield info.name, (Member(info.size, hashing.sha256.hexdigest()), kept)

    @contextmanager
    def _tar(self) -> Iterator[tarfile.TarFile]:
        self._file.seek(0)
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                yield tar
        except (tarfile.TarError, EOFError, UnicodeError) as error:
            raise DamagedArchive(f"the archive is damaged or cut off: {error}") from error


class _Hashing:
    """Pass reads through and hash what was read."""

    def __init__(self, data: IO[bytes]) -> None:
        self._data = data
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._data.read(size)
        self.sha256.update(chunk)
        return chunk


def _header(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _parsed(found: tuple[Member, bytes] | None, newest_revision: str) -> Manifest:
    if found is None:
        raise DamagedArchive("the archive is cut off: its end is missing")
    try:
        values: dict[str, Any] = json.loads(found[1])
        version, revision = int(values["format"]), str(values["revision"])
        if not _REVISION.fullmatch(revision):
            raise ValueError(revision)
        if version > FORMAT or revision > newest_revision:
            raise DamagedArchive("the archive was made by a newer release of graphside; install that one first")
        members = {str(name): Member(**member) for name, member in values["members"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedArchive("the archive is damaged: its list of parts cannot be read") from None
    return Manifest(revision, members)
