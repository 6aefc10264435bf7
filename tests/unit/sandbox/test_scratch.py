"""Scratch directories: what is counted, what is removed, and what is never touched."""

import fcntl
import logging
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from runtime.sandbox.host.scratch import (
    _HELD,
    DEEPEST,
    PREFIX,
    ScratchRoot,
    ScratchUse,
    _make_root,
    _sweep,
    remove,
    scratch_use,
)
from tests.unit.sandbox.forked import as_user
from tests.waiting import WITHIN_S

OTHER = 12345
"""A user id other than ours."""

NOT_UTF8 = os.fsdecode(b"caf\xe9 \xff\n")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """Somebody else's directory, as it was before whatever happens."""
    folder = tmp_path / "outside"
    folder.mkdir(mode=0o755)
    (folder / "theirs").write_text("theirs")
    (folder / "theirs").chmod(0o640)
    yield folder
    assert (folder / "theirs").read_text() == "theirs"
    assert (folder / "theirs").stat().st_mode & 0o777 == 0o640
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A run's directory."""
    folder = tmp_path / "scratch"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def passable() -> Iterator[Path]:
    """A directory in which any user can work."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


def dig(folder: Path, depth: int, mode: int = 0o777) -> None:
    """Directories within directories, deeper than any path is long. The innermost has a file."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d", mode, dir_fd=fd)
        inner = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)


def links(folder: Path, outside: Path) -> None:
    (folder / "to_directory").symlink_to(outside)
    (folder / "to_file").symlink_to(outside / "theirs")
    (folder / "to_nothing").symlink_to("/nonexistent")
    (folder / "to_itself").symlink_to("to_itself")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "up").symlink_to("..")
    os.link(outside / "theirs", folder / "hard")


def closed_directories(folder: Path, _outside: Path) -> None:
    for mode in (0o000, 0o300, 0o100, 0o500):
        inner = folder / f"{mode:o}"
        inner.mkdir()
        (inner / "deeper").mkdir()
        (inner / "deeper" / "file").write_text("x")
        (inner / "deeper").chmod(mode)
        inner.chmod(mode)
    (folder / "file").write_text("x")
    (folder / "file").chmod(0)
    folder.chmod(0)


def odd_names(folder: Path, _outside: Path) -> None:
    for name in (NOT_UTF8, "-rf", " ", "*", "a" * 255, "...", "new\nline", "\u202etxt"):
        (folder / name).write_text("x")
    (folder / f"{NOT_UTF8}d").mkdir()
    (folder / f"{NOT_UTF8}d" / NOT_UTF8).write_text("x")


def depths(folder: Path, _outside: Path) -> None:
    dig(folder, 3 * _HELD + 7)


def no_files(folder: Path, _outside: Path) -> None:
    os.mkfifo(folder / "pipe")  # opening one would wait for ever


Littering = Callable[[Path, Path], None]
LITTER: list[Littering] = [links, closed_directories, odd_names, depths, no_files]


@pytest.mark.parametrize("litter", LITTER, ids=lambda litter: litter.__name__)
def test_whatever_a_task_leaves_is_removed_and_nothing_else(scratch: Path, outside: Path, litter: Littering) -> None:
    litter(scratch, outside)
    remove(scratch)
    assert not scratch.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="tries what an ordinary user could not open, as root in his place")
@pytest.mark.parametrize("litter", LITTER, ids=lambda litter: litter.__name__)
def test_the_same_for_a_server_that_is_no_root(passable: Path, outside: Path, litter: Littering) -> None:
    scratch = passable / "scratch"
    scratch.mkdir(mode=0o700)
    litter(scratch, outside)
    _give(scratch)
    assert scratch_use_as(OTHER, scratch, most_files=1000).file_count >= 1
    as_user(OTHER, lambda: remove(scratch))
    assert not scratch.exists()


def _give(folder: Path) -> None:
    """Make all of it the other user's, however deep."""
    for _, folders, files, fd in os.fwalk(folder, follow_symlinks=False):
        os.fchown(fd, OTHER, OTHER)
        for name in (*folders, *files):
            if name != "hard":
                os.chown(name, OTHER, OTHER, dir_fd=fd, follow_symlinks=False)


def scratch_use_as(uid: int, folder: Path, most_files: int) -> ScratchUse:
    return ScratchUse(**as_user(uid, lambda: asdict(scratch_use(folder, most_files))))


def test_removing_what_is_not_there_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    remove(tmp_path / "nothing")
    assert not caplog.records


def test_a_link_in_place_of_the_directory_is_told_and_not_followed(
    tmp_path: Path, outside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "link").symlink_to(outside)
    with caplog.at_level(logging.ERROR):
        remove(tmp_path / "link")
    assert "scratch.not_removed" in caplog.text


class TestCounting:
    def test_bytes_are_those_of_directories_within_too(self, scratch: Path) -> None:
        (scratch / "full").write_bytes(b"x" * 100_000)
        (scratch / "small").write_bytes(b"x")
        (scratch / "folder").mkdir()
        (scratch / "folder" / "inner").write_bytes(b"x" * 50_000)
        use = scratch_use(scratch, 1000)
        assert 150_000 <= use.byte_count < 300_000
        assert (use.file_count, use.depth) == (4, 1)

    def test_a_file_counts_for_its_size_since_what_it_takes_of_a_disk_may_be_known_late(self, scratch: Path) -> None:
        with open(scratch / "sparse", "wb") as sparse:
            sparse.truncate(1 << 30)
        assert scratch_use(scratch, 1000).byte_count == 1 << 30

    def test_nothing_is_counted_through_links(self, scratch: Path, outside: Path) -> None:
        (outside / "large").write_bytes(b"x" * 2**20)
        links(scratch, outside)
        assert scratch_use(scratch, 1000).byte_count < 2**20

    def test_it_stops_soon_after_too_many(self, scratch: Path) -> None:
        for index in range(300):
            (scratch / str(index)).touch()
        assert scratch_use(scratch, 10).file_count == 11
        assert scratch_use(scratch, 300).file_count == 300

    def test_it_goes_no_deeper_than_allowed(self, scratch: Path) -> None:
        dig(scratch, DEEPEST + 40)
        assert scratch_use(scratch, 1000).depth == DEEPEST + 1

    def test_many_directories_side_by_side_need_few_descriptors(self, scratch: Path) -> None:
        for index in range(400):
            (scratch / str(index)).mkdir()
            (scratch / str(index) / "file").touch()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, hard))
        try:
            assert scratch_use(scratch, 1000).file_count == 800
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_no_descriptor_stays_open(self, scratch: Path, outside: Path) -> None:
        for litter in (links, odd_names, no_files, depths, closed_directories):
            litter(scratch, outside)
        before = len(os.listdir("/proc/self/fd"))
        for most_files in (0, 5, 1000):
            scratch_use(scratch, most_files)
        assert len(os.listdir("/proc/self/fd")) <= before  # a rig in another thread may have closed some meanwhile

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs a file that this user may not read")
    def test_what_cannot_be_looked_into_counts_as_too_much(self, passable: Path) -> None:
        (passable / "closed").mkdir(mode=0o700)  # not the other user's: he cannot open it up
        assert scratch_use_as(OTHER, passable, most_files=10).file_count == 11


class TestRoot:
    def test_each_run_gets_a_directory_of_its_own(self, tmp_path: Path) -> None:
        root = ScratchRoot(tmp_path, for_other_users=False)
        first, second = root.make(None), root.make(None)
        assert first.parent == second.parent == root.path
        assert {path.stat().st_mode & 0o777 for path in (first, second, root.path)} == {0o700}
        root.close()
        assert not root.path.exists()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
    def test_other_users_pass_through_it_and_cannot_list_it(self, tmp_path: Path) -> None:
        root = ScratchRoot(tmp_path, for_other_users=True)
        made = root.make(OTHER)
        assert (made.stat().st_uid, made.stat().st_mode & 0o777) == (OTHER, 0o700)
        assert root.path.stat().st_mode & 0o777 == 0o711
        assert all(above.stat().st_mode & 0o001 for above in root.path.parents)
        root.close()

    def test_leftovers_are_swept_and_live_ones_are_not(self, tmp_path: Path) -> None:
        live = ScratchRoot(tmp_path, for_other_users=False)
        kept = live.make(None)
        dead = tmp_path / f"{PREFIX}dead"
        (dead / "run").mkdir(parents=True)
        dig(dead / "run", 2 * _HELD)
        other = tmp_path / "graphside-other"
        other.mkdir()
        (tmp_path / f"{PREFIX}link").symlink_to(other)
        (tmp_path / f"{PREFIX}file").write_text("x")
        second = ScratchRoot(tmp_path, for_other_users=False)
        assert not dead.exists()
        assert kept.is_dir()
        assert other.is_dir()
        for root in (live, second):
            root.close()

    def test_those_of_a_killed_replica_are_leftovers(self, tmp_path: Path) -> None:
        code = (
            "import os, sys\nfrom pathlib import Path\nfrom runtime.sandbox.host.scratch import ScratchRoot\n"
            "root = ScratchRoot(Path(sys.argv[1]), for_other_users=False)\nroot.make(None)\nos.kill(os.getpid(), 9)"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=WITHIN_S, check=False)
        assert done.returncode == -9
        assert len(list(tmp_path.iterdir())) == 1
        ScratchRoot(tmp_path, for_other_users=False).close()
        assert list(tmp_path.iterdir()) == []

    def test_one_that_was_swept_while_it_was_made_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        swept: list[Path] = []

        def flock(fd: int, operation: int) -> None:
            if not swept:
                swept.extend(tmp_path.iterdir())
                monkeypatch.undo()
                _sweep(tmp_path)
            fcntl.flock(fd, operation)

        monkeypatch.setattr("runtime.sandbox.host.scratch.fcntl.flock", flock)
        path, fd = _make_root(tmp_path)
        assert swept != [path]
        assert list(tmp_path.iterdir()) == [path]
        os.close(fd)
