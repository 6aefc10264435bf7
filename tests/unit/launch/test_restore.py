"""A restore happens whole or not at all, and only where nobody is."""

import io
import json
import random
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog.engine import open_catalog
from catalog.rows import moved_tables
from catalog.tables import users
from deployments.launch import datadir
from deployments.launch.backup import back_up, restore, transfer
from deployments.launch.errors import LaunchError
from deployments.launch.machine.instance import Instance
from deployments.launch.options import given_key_file, read_options
from runtime.errors import DatasetUnreadable
from tests.unit.launch.installation import Install, Installation


@pytest.fixture
def archive(install: Install, tmp_path: Path) -> Path:
    """Of a server with one dataset."""
    made = install().start()
    made.dataset(b"a table" * 500)
    back_up(made.options, tmp_path / "backup.tar")
    return tmp_path / "backup.tar"


def refused(made: Installation, archive: Path, reason: str) -> None:
    """Restoring fails for this reason, and nothing has come of it."""
    with pytest.raises(LaunchError, match=reason) as raised:
        restore(made.options, archive)
    assert "\n" not in str(raised.value)
    assert not made.data_dir.exists()


def test_a_server_with_users_is_left_as_it_is(install: Install, archive: Path) -> None:
    made = install().start()
    before = made.rows()
    with pytest.raises(LaunchError, match="already has users"):
        restore(made.options, archive)
    assert made.rows() == before
    assert made.contents() == {}


def test_users_whose_names_look_alike_come_back(install: Install, tmp_path: Path) -> None:
    """They are from before the server refused the second one."""
    made = install().start()
    with closing(open_catalog(made.options.settings.catalog_url)) as catalog, catalog.write() as connection:
        (row,) = connection.execute(sa.select(users)).mappings()
        second = {**row, "id": row["id"] + 1, "username": row["username"].upper()}
        connection.execute(sa.insert(users), second)
    back_up(made.options, tmp_path / "pair.tar")
    again = install()
    assert restore(again.options, tmp_path / "pair.tar").users == 2


def test_a_server_that_runs_is_left_alone(install: Install, archive: Path) -> None:
    made = install()
    datadir.make_private(made.data_dir)
    with Instance(made.data_dir), pytest.raises(LaunchError, match="another server runs"):
        restore(made.options, archive)
    assert not (made.data_dir / "catalog.sqlite").exists()


def test_an_archive_that_was_cut_off_anywhere_is_refused(install: Install, archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    manifest = whole.index(b"manifest.json")
    for length in (0, 1, 511, 512, 5000, manifest - 1, manifest + 512, manifest + 600):
        cut = tmp_path / "cut.tar"
        cut.write_bytes(whole[:length])
        refused(install(), cut, "cut.tar: the archive is")


def test_an_archive_with_any_bit_changed_is_refused(install: Install, archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    with tarfile.open(archive) as tar:
        members = [info for info in tar if info.size]
    spots = [info.offset + 5 for info in members]
    spots += [offset for info in members for offset in (info.offset_data, info.offset_data + info.size - 1)]
    random.Random(4).shuffle(spots)
    for spot in spots:
        damaged = tmp_path / "damaged.tar"
        damaged.write_bytes(whole[:spot] + bytes([whole[spot] ^ 0x01]) + whole[spot + 1 :])
        refused(install(), damaged, "nothing was restored")


def rewritten(archive: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]) -> Path:
    """The archive with its members changed."""
    target = archive.with_name("rewritten.tar")
    with tarfile.open(archive) as tar, tarfile.open(target, "w") as out:
        for info in tar:
            data = tar.extractfile(info)
            assert data is not None
            member, content = change(info, data.read())
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return target


@pytest.mark.parametrize("field", ["format", "revision"])
def test_an_archive_of_a_newer_release_is_refused(install: Install, archive: Path, field: str) -> None:
    newer = {"format": 2, "revision": "9999"}

    def change(info: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if info.name == "manifest.json":
            content = json.dumps({**json.loads(content), field: newer[field]}).encode()
        return info, content

    refused(install(), rewritten(archive, change), "newer release")


@pytest.mark.parametrize("name", ["../../outside", "/etc/cron.d/job", "objects/../../outside", "catalog/../x.jsonl"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE])
def test_nothing_in_an_archive_is_followed(install: Install, archive: Path, name: str, kind: bytes) -> None:
    def change(info: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if info.name != "catalog/users.jsonl":
            return info, content
        changed = tarfile.TarInfo(name)
        changed.type, changed.linkname = kind, "/etc"
        return changed, content if kind == tarfile.REGTYPE else b""

    refused(install(), rewritten(archive, change), "is in no backup of this server")


def test_a_link_in_the_place_of_a_table_is_refused(install: Install, archive: Path) -> None:
    def change(info: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if info.name.startswith("objects/"):
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            return info, b""
        return info, content

    refused(install(), rewritten(archive, change), "is in no backup of this server")


def test_what_fails_on_the_way_leaves_neither_rows_nor_tables(
    install: Install, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = install()

    def fail(*_: object) -> int:
        raise DatasetUnreadable("the last table failed")

    with monkeypatch.context() as patched:
        patched.setattr(transfer, "_summary", fail)
        with pytest.raises(LaunchError):
            restore(made.options, archive)
    assert made.contents() == {}
    assert set(map(len, made.rows().values())) == {0}
    restore(made.options, archive)
    assert len(made.contents()) == 1


def test_tables_that_a_killed_restore_left_are_taken_as_they_are(install: Install, archive: Path) -> None:
    made = install(store="s3")
    restored = restore(made.options, archive)
    catalog = made.catalog()
    with catalog.write() as connection:
        for table in reversed(moved_tables()):
            connection.execute(sa.delete(table))
    catalog.close()
    assert restore(made.options, archive) == restored
    assert len(made.contents()) == 1


def test_a_given_signing_key_is_not_left_behind_by_a_restore(install: Install, archive: Path, tmp_path: Path) -> None:
    environment = {"GRAPHSIDE_DATA": str(tmp_path / "given"), "GRAPHSIDE_JWT_SECRET": "0123456789abcdef" * 2}
    restore(read_options(environment), archive)
    assert not given_key_file(tmp_path / "given").exists()
