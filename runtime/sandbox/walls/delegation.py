"""The control group (v2) that was given to this server to divide, if one was.

To write to a group is not to be asked to: root may write to all of them, and systemd takes back what others change in
the groups of its units. So a group counts as given where systemd says so (``Delegate=yes``), where it is all that a
container sees, where its owner was given it by somebody else, or where it was made by hand.

A group that has processes cannot divide memory among groups below it, and one that divides the rest among them makes
those useless. So a server that is alone in its group first goes into a leaf of that (``enter_leaf``), and all that it
starts is born there. Processes of others are never moved.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LEAF: Final = "graphside-server"
"""Where a server goes that was started in the group itself."""

CONTROLLERS: Final = ("memory", "pids", "cpu")
LIMITING: Final = frozenset({"memory", "pids"})
"""Without one of these a group limits nothing."""

_SELF: Final = Path("/proc/self")
_DELEGATED: Final = ("trusted.delegate", "user.delegate")
_UNITS: Final = (".service", ".scope", ".slice")


class NotDelegated(Exception):
    """There is no group that this server may divide. The text says why, and goes to the operator."""


def given_group(process: Path = _SELF) -> Path:
    """The directory of the group that was given to us: our own or, where we are in a leaf, the one above.

    ``process``: its directory in ``/proc``. Raises ``NotDelegated``.
    """
    name = _name_of(process)
    mount, root = _mount_of(process, name)
    own = mount / os.path.relpath(name, root)
    steps = [(own, name)]
    if own != mount and not own.name.endswith(_UNITS):  # above a unit, groups are the manager's
        steps.append((own.parent, os.path.dirname(name)))
    if own.name == LEAF:
        del steps[0]
    for group, its_name in steps:
        if _is_given(group, its_name):
            return group
    if name == "/":
        raise NotDelegated("this process is in the machine's root group, which nobody gives away")
    raise NotDelegated("its control group is systemd's, without Delegate=yes")


def enter_leaf(process: Path = _SELF) -> bool:
    """Go into a leaf of our group, where it was given to us and we are alone in it. Whether we went."""
    try:
        group = given_group(process)
        if _processes(group) != [os.getpid()]:
            return False
        with suppress(FileExistsError):
            (group / LEAF).mkdir()
        write(group / LEAF / "cgroup.procs", "0")
    except (NotDelegated, OSError):
        return False  # the probe tells why
    return True


def divide(group: Path) -> tuple[str, ...]:
    """Have groups below it limit what they can, and return what that is. Raises ``NotDelegated``.

    What was enabled stays so: another server may rely on it.
    """
    count = len(_processes(group))
    if count:
        text = "one process is" if count == 1 else f"{count} processes are"
        raise NotDelegated(f"{text} in the group itself; start the server alone in it, or with DelegateSubgroup=")
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
    """Write to a file of a group; it is the kernel that has those, so none is made. Raises ``OSError``."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)


def _name_of(process: Path) -> str:
    """The group's name as the process sees it, from its own root on."""
    try:
        lines = (process / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    name = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
    if name is None:
        raise NotDelegated("this kernel has no control groups of version 2")
    return name


def _mount_of(process: Path, name: str) -> tuple[Path, str]:
    """Where groups are mounted, and the name of the group that is the mount's root."""
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
        return False  # the machine's root group alone has none
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
        return f"its control group has neither memory nor pids to give ({' '.join(offered) or 'no controllers'})"
    error = next(refused[name] for name in CONTROLLERS if name in LIMITING and name in offered)
    return f"its control group cannot be divided: {(error.strerror or str(error)).lower()}"
