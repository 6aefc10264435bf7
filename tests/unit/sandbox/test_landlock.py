"""Landlock: which rights are asked for on which kernel, and what the one that runs here refuses."""

import ctypes
import errno
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.sandbox.walls import kernel, landlock
from tests.unit.sandbox.forked import in_a_child, refused

ABI = landlock.abi()
here = pytest.mark.skipif(ABI == 0, reason="this kernel has no Landlock")

FILES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16, 6: 16, 7: 16, 99: 16}
"""How many rights to files each version knows, from the first on."""


def restrict(*rules: tuple[int, int]) -> None:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(ABI, rules)


@pytest.mark.parametrize("version", FILES)
def test_all_that_a_kernel_can_guard_is_asked_for(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def syscall(number: int, *arguments: object) -> int:
        if number == 444:
            attribute, size = arguments[0]._obj, arguments[1].value  # type: ignore[attr-defined]
            asked.append((attribute.files, attribute.net, attribute.scoped, size))
            return os.open(os.devnull, os.O_RDONLY)
        return 0

    monkeypatch.setattr(kernel, "syscall", syscall)
    landlock.restrict(version, [])
    ((files, net, scoped, size),) = asked
    assert files == (1 << FILES[version]) - 1
    assert (net, scoped) == (0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)
    assert size == (8 if version < 4 else 16 if version < 6 else 24)
    assert landlock.guards_truncation(version) == bool(files & 1 << 14)


def test_a_rule_asks_only_for_what_its_ruleset_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes no rule with rights that it was not told to guard, or with a directory's rights for a file."""
    rules = []

    def syscall(number: int, *arguments: object) -> int:
        if number == 445:
            rules.append(ctypes.string_at(arguments[2]._obj and ctypes.addressof(arguments[2]._obj), 12))  # type: ignore[attr-defined]
        return os.open(os.devnull, os.O_RDONLY) if number == 444 else 0

    monkeypatch.setattr(kernel, "syscall", syscall)
    (tmp_path / "file").touch()
    directory, file = landlock.open_paths([str(tmp_path), str(tmp_path / "file")])
    landlock.restrict(1, [(directory, landlock.WORK), (file, landlock.WORK)])
    of_directory, of_file = (int.from_bytes(rule[:8], "little") for rule in rules)
    assert of_directory == landlock.WORK & ((1 << 13) - 1)
    assert of_file == 0b110  # read and write
    for fd in (directory, file):
        os.close(fd)


def test_paths_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    (fd,) = landlock.open_paths([str(tmp_path), str(tmp_path / "nothing")])
    os.close(fd)


def test_scratch_has_no_right_to_execute_or_to_make_devices_sockets_and_pipes() -> None:
    for bit in (0, 6, 9, 10, 11, 15):  # execute; make character device, socket, pipe, block device; ioctl of devices
        assert not landlock.WORK & 1 << bit
    assert not landlock.READ & ~0b1100


def test_libraries_are_not_the_whole_file_system() -> None:
    paths = landlock.library_paths()
    assert not {"/", "/usr", "/etc", "/home", "/root", "/tmp", os.getcwd()} & set(paths)
    assert os.path.realpath(os.path.dirname(os.__file__)) in paths


@here
class TestHere:
    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "file").write_text("theirs")
        return tmp_path / "outside"

    @pytest.fixture
    def inside(self, tmp_path: Path) -> Path:
        (tmp_path / "inside").mkdir()
        (tmp_path / "inside" / "file").write_text("ours")
        return tmp_path / "inside"

    @pytest.mark.parametrize(
        "act",
        [
            lambda outside, inside: os.open(outside / "file", os.O_RDONLY),
            lambda outside, inside: os.open(outside / "file", os.O_WRONLY),
            lambda outside, inside: os.truncate(outside / "file", 0),
            lambda outside, inside: os.open(outside / "new", os.O_CREAT | os.O_WRONLY),
            lambda outside, inside: os.listdir(outside),
            lambda outside, inside: os.unlink(outside / "file"),
            lambda outside, inside: os.mkdir(outside / "new"),
            lambda outside, inside: os.symlink("x", outside / "new"),
            lambda outside, inside: os.rename(inside / "file", outside / "taken"),
            lambda outside, inside: os.rename(outside / "file", inside / "taken"),
            lambda outside, inside: os.link(outside / "file", inside / "taken"),
            lambda outside, inside: open(inside / "link"),
            lambda outside, inside: os.open(inside / ".." / "outside" / "file", os.O_RDONLY),
            lambda outside, inside: os.open("/proc/self/environ", os.O_RDONLY),
            lambda outside, inside: os.mkfifo(inside / "pipe"),
            lambda outside, inside: os.execv("/bin/true", ["true"]),
        ],
        ids=[
            "read", "write", "truncate", "create", "list", "unlink", "mkdir", "symlink", "rename-out", "rename-in",
            "link", "through-link", "up", "environ", "fifo", "exec",
        ],
    )  # fmt: skip
    def test_what_is_outside_is_refused(self, outside: Path, inside: Path, act: Callable[[Path, Path], object]) -> None:
        (inside / "link").symlink_to(outside / "file")

        def attempt() -> int:
            (fd,) = landlock.open_paths([str(inside)])
            restrict((fd, landlock.WORK))
            os.close(fd)
            return refused(lambda: act(outside, inside))

        assert in_a_child(attempt) in (errno.EACCES, errno.EXDEV)
        assert (outside / "file").read_text() == "theirs"
        assert [path.name for path in outside.iterdir()] == ["file"]

    def test_scratch_can_be_worked_in_also_once_its_descriptor_is_closed(self, inside: Path) -> None:
        def work() -> list[str]:
            (fd,) = landlock.open_paths([str(inside)])
            restrict((fd, landlock.WORK))
            os.close(fd)
            (inside / "folder").mkdir()
            (inside / "folder" / "new").write_text("x")
            os.rename(inside / "folder" / "new", inside / "moved")
            os.link(inside / "moved", inside / "folder" / "again")
            os.truncate(inside / "file", 1)
            os.symlink("moved", inside / "link")
            os.unlink(inside / "folder" / "again")
            os.rmdir(inside / "folder")
            return sorted(os.listdir(inside)) + [(inside / "link").read_text(), (inside / "file").read_text()]

        assert in_a_child(work) == ["file", "link", "moved", "x", "o"]

    @pytest.mark.skipif(ABI < 4, reason="this kernel's Landlock does not guard TCP")
    def test_tcp_is_refused(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()

            def attempt() -> list[int]:
                restrict()
                with socket.socket() as one:
                    return [refused(lambda: one.connect(address)), refused(lambda: one.bind(("127.0.0.1", 0)))]

            assert in_a_child(attempt) == [errno.EACCES, errno.EACCES]

    @pytest.mark.skipif(ABI < 6, reason="this kernel's Landlock does not guard signals")
    def test_signals_and_abstract_sockets_of_others_are_refused(self) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0graphside-test-{os.getpid()}")
            listener.listen()
            address, parent = listener.getsockname(), os.getpid()

            def attempt() -> list[int]:
                restrict()
                with socket.socket(socket.AF_UNIX) as one:
                    return [
                        refused(lambda: one.connect(address)),
                        refused(lambda: os.kill(parent, 0)),
                        refused(lambda: os.kill(os.getpid(), signal.SIGCONT)),
                    ]

            assert in_a_child(attempt) == [errno.EPERM, errno.EPERM, 0]
