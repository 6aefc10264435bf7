"""Stands for a machine whose control groups can be divided, which the one that runs the tests may not be: a tree of
plain files, with the kernel's answers to what is done to it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any  # what os.mkdir and os.rmdir are called with

import pytest

from runtime.sandbox.walls import cgroup, delegation

_FILES = {
    "cgroup.type": "domain\n", "cgroup.procs": "", "cgroup.subtree_control": "\n", "memory.max": "max\n",
    "memory.current": "0\n", "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
}  # fmt: skip


class FakeGroups:
    """``refuses``: the errno with which a controller cannot be enabled; ``attributes``: what groups say of themselves.

    ``process`` is the directory in ``/proc`` of a process that lives in the group named last to ``live_in``.
    """

    def __init__(self, root: Path) -> None:
        self.mount = root / "sys" / "fs" / "cgroup"
        self.process = root / "proc" / "self"
        self.refuses: dict[str, int] = {}
        self.attributes: dict[Path, dict[str, bytes]] = {}
        self.owners: dict[Path, int] = {}
        self.written: list[tuple[str, str]] = []
        self.process.mkdir(parents=True)
        self.mount.mkdir(parents=True)
        (self.mount / "cgroup.controllers").write_text("cpu io memory pids\n")
        (self.mount / "cgroup.subtree_control").write_text("cpu memory pids\n")
        (self.mount / "cgroup.procs").write_text("1\n")

    def make(self, name: str, *processes: int, offers: str = "cpu memory pids") -> Path:
        """A group with those above it."""
        path = self.mount
        for part in name.strip("/").split("/"):
            path /= part
            if not path.exists():
                path.mkdir()
                (path / "cgroup.controllers").write_text(f"{offers}\n")
        (path / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in processes))
        return path

    def live_in(self, name: str, root: str = "/", lines: str = "8:pids:/\n") -> None:
        """``root``: the group at which the mount begins."""
        (self.process / "cgroup").write_text(f"{lines}0::{name}\n")
        (self.process / "mountinfo").write_text(
            "21 1 0:20 / /proc rw - proc proc rw\n"
            f"30 21 0:26 {root} {self.mount} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
        )

    def begin_a_container(self, *processes: int) -> None:
        """From here on the mount's root is no machine's, but a group like others."""
        (self.mount / "cgroup.type").write_text("domain\n")
        (self.mount / "cgroup.subtree_control").write_text("\n")
        (self.mount / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in processes))
        (self.mount / "memory.max").write_text("max\n")

    def write(self, path: Path, text: str) -> None:
        self.written.append((path.name, text))
        group = path.parent
        if not group.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if path.name == "cgroup.subtree_control":
            self._enable(group, text.removeprefix("+"))
        elif path.name == "cgroup.procs":
            self._move(str(os.getpid()) if text == "0" else text, group)
        elif path.name == "cgroup.kill":
            (group / "cgroup.procs").write_text("")
        else:
            path.write_text(text)

    def _enable(self, group: Path, controller: str) -> None:
        number = self.refuses.get(controller, 0)
        if controller not in (group / "cgroup.controllers").read_text().split():
            number = errno.ENOENT
        elif controller == "memory" and (group / "cgroup.procs").read_text().split():
            number = errno.EBUSY  # the others go through, and no process can enter a group below any more
        if number:
            raise OSError(number, os.strerror(number))
        control = group / "cgroup.subtree_control"
        control.write_text(" ".join({*control.read_text().split(), controller}))

    def _move(self, pid: str, group: Path) -> None:
        for procs in self.mount.rglob("cgroup.procs"):
            procs.write_text("".join(f"{one}\n" for one in procs.read_text().split() if one != pid))
        with open(group / "cgroup.procs", "a") as procs_file:
            procs_file.write(f"{pid}\n")

    @contextmanager
    def in_place(self) -> Iterator["FakeGroups"]:
        """Instead of the machine's, for whoever writes to groups, makes or removes them."""
        mkdir, rmdir = os.mkdir, os.rmdir

        def make(path: Any, *arguments: Any, **keywords: Any) -> None:
            mkdir(path, *arguments, **keywords)
            if self.mount in Path(path).parents:
                for name, text in _FILES.items():
                    (Path(path) / name).write_text(text)

        def remove(path: Any, *arguments: Any, **keywords: Any) -> None:
            if self.mount in Path(path).parents:
                if (Path(path) / "cgroup.procs").read_text().split():
                    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
                for file in Path(path).iterdir():
                    if file.is_file():
                        file.unlink()
            rmdir(path, *arguments, **keywords)

        def attribute(path: Any, name: str) -> bytes:
            try:
                return self.attributes[Path(path)][name]
            except KeyError:
                raise OSError(errno.ENODATA, os.strerror(errno.ENODATA)) from None

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "mkdir", make)
            patch.setattr(os, "rmdir", remove)
            patch.setattr(os, "getxattr", attribute)
            patch.setattr(delegation, "write", self.write)
            patch.setattr(cgroup, "write", self.write)
            patch.setattr(delegation, "_owner", lambda path: self.owners.get(path, 0))
            yield self
