"""Finds the control group (v2) that this server may divide, if it has one.

The right to write to a group is not enough: root may write to all groups, and systemd reverts changes in the groups of
its units. So a group counts as delegated if systemd says so (``Delegate=yes``), if it is the root that a container
sees, if its owner got it from another user, or if it was made by hand.

A group with processes cannot divide memory among the groups below it, and if it divides anything else, those groups
become unusable. So a server that is alone in its group first moves into a leaf below it (``enter_leaf``), and its
children start there. Processes of others are never moved.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LEAF: Final = "graphside-server"
"""The group that a server moves into if it was started in the delegated group itself."""

CONTROLLERS: Final = ("memory", "pids", "cpu")
LIMITING: Final = frozenset({"memory", "pids"})
"""A group needs one of these controllers to limit anything."""

_SELF: Final = Path("/proc/self")
_DELEGATED: Final = ("trusted.delegate", "user.delegate")
_UNITS: Final = (".service", ".scope", ".slice")


class NotDelegated(Exception):
    """There is no group that this server may divide. The text tells the operator why."""


def given_group(process: Path = _SELF) -> Path:
    """Return the directory of the delegated group: our own, or the one above if we are in a leaf.

    ``process``: our directory in ``/proc``. Raises ``NotDelegated``.
    """
    name = _name_of(process)
    mount, root = _mount_of(process, name)
    own = mount / os.path.relpath(name, root)
    steps = [(own, name)]
    if own != mount and not own.name.endswith(_UNITS):  # groups above a unit belong to systemd
        steps.append((own.parent, os.path.dirname(name)))
    if own.name == LEAF:
        del steps[0]
    for group, its_name in steps:
        if _is_given(group, its_name):
            return group
    if name == "/":
        raise NotDelegated("the server is in the machine's root control group, which cannot be delegated")
    raise NotDelegated("the server's control group belongs to systemd, without Delegate=yes")


def enter_leaf(process: Path = _SELF) -> bool:
    """Move into a leaf of our group, if it is delegated and we are alone in it. Return whether we moved."""
    try:
        group = given_group(process)
        if _processes(group) != [os.getpid()]:
            return False
        with suppress(FileExistsError):
            (group / LEAF).mkdir()
        write(group / LEAF / "cgroup.procs", "0")
    except (NotDelegated, OSError):
        return False  # the probe reports why
    return True


def divide(group: Path) -> tuple[str, ...]:
    """Enable controllers for the groups below a group, and return them. Raises ``NotDelegated``.

    Controllers that are enabled already stay so, because another server may rely on them.
    """
    count = len(_processes(group))
    if count:
        found = "one process is" if count == 1 else f"{count} processes are"
        raise NotDelegated(
            f"{found} in the server's control group itself; start the server alone in it, or set DelegateSubgroup="
        )
    refused: dict[str, OSError] = {}
    for controller in CONTROLLERS:
        try:
            write(group / "cgroup.subtree_control", f"+{controller}")
        except OSError as error:
            refused[controller] = error
    enabled = (group / "cgroup.subtree_control").read_text(encoding="ascii").split()
    if LIMITING.isdisjoint(enabled):
        raise NotDelegated(_why_not(group, refused))
    return tuple(name for name in CONTROLLERS if name in enabled)


def write(path: Path, text: str) -> None:
    """Write to an existing file of a group. Raises ``OSError``."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)


def _name_of(process: Path) -> str:
    """Return the name of the process's group, relative to the root that the process sees."""
    try:
        lines = (process / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    name = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
    if name is None:
        raise NotDelegated("the kernel has no control groups of version 2")
    return name


def _mount_of(process: Path, name: str) -> tuple[Path, str]:
    """Return where groups are mounted, and the name of the group at the mount's root."""
    for line in (process / "mountinfo").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        root, point = (field.encode().decode("unicode_escape") for field in fields[3:5])
        if fields[fields.index("-") + 1] != "cgroup2" or name.startswith("/.."):
            continue
        if name == root or name.startswith(root.rstrip("/") + "/"):
            return Path(point), root
    raise NotDelegated("control groups of version 2 are not mounted here")


def _is_given(group: Path, name: str) -> bool:
    if not (group / "cgroup.type").exists():
        return False  # only the machine's root group lacks this file
    return (
        name == "/"
        or _says_so(group)
        or not any(part.endswith(_UNITS) for part in name.split("/"))
        or (os.geteuid() != 0 and _owner(group) == os.geteuid() != _owner(group.parent))
    )


def _says_so(group: Path) -> bool:
    for attribute in _DELEGATED:
        with suppress(OSError):
            if os.getxattr(group, attribute) == b"1":
                return True
    return False


def _owner(group: Path) -> int:
    return group.stat().st_uid


def _processes(group: Path) -> list[int]:
    return [int(line) for line in (group / "cgroup.procs").read_text(encoding="ascii").split()]


def _why_not(group: Path, refused: dict[str, OSError]) -> str:
    offered = (group / "cgroup.controllers").read_text(encoding="ascii").split()
    if LIMITING.isdisjoint(offered):
        found = " ".join(offered) or "none"
        return f"the server's control group has neither the memory nor the pids controller (controllers: {found})"
    error = next(refused[name] for name in CONTROLLERS if name in LIMITING and name in offered)
    return f"the server's control group cannot be divided: {(error.strerror or str(error)).lower()}"
