"""Landlock rulesets. A process puts one up around itself, without privilege, to limit which files it may open.

A ruleset refuses everything that the running kernel can guard, except the named paths: libraries to read, a scratch
directory to work in. It also refuses TCP, and signals and abstract sockets to processes outside.
"""

import ctypes
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from runtime.sandbox.walls import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION, _PATH_BENEATH = 1, 1
_NO_FLAGS: Final = ctypes.c_uint32(0)

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 12
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_OF_A_FILE: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL

_FILE_RIGHTS_BY_ABI: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_RIGHTS_BY_ABI: Final = {4: 0b11}  # bind and connect
_SCOPES_BY_ABI: Final = {6: 0b11}  # abstract sockets and signals

READ: Final = _READ_FILE | _READ_DIR
READ_WRITE_FILE: Final = _READ_FILE | _WRITE_FILE
WORK: Final = READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER | _TRUNCATE
"""Rights in scratch. They do not include making devices, sockets or pipes, or executing files."""


class _RulesetAttribute(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """Return the kernel's version of Landlock; 0 if it has none or was started without it."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError:
        return 0


def open_paths(paths: Iterable[str]) -> list[int]:
    """Open the paths that exist, for rules only. The caller closes the descriptors."""
    found = []
    for path in paths:
        try:
            found.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
        except OSError:
            continue
    return found


class Ruleset:
    """Refuses everything except what its rules allow. It is made once and put up in many processes.

    ``version``: as ``abi()`` returns it. ``paths``: paths with the rights beneath them; those that do not exist when
    this is made are left out. A path beneath another one with the same rights needs no rule of its own.
    """

    def __init__(self, version: int, paths: Iterable[tuple[str, int]] = ()) -> None:
        files = _newest(_FILE_RIGHTS_BY_ABI, version)
        self._attribute = ctypes.byref(
            _RulesetAttribute(files, _newest(_NET_RIGHTS_BY_ABI, version), _newest(_SCOPES_BY_ABI, version))
        )
        # Older kernels know shorter attributes. Fields that they do not know are zero here.
        self._size = ctypes.c_size_t(8 if version < 4 else 16 if version < 6 else 24)
        self._files = files
        self._beneath = _PathBeneath()
        self._rule = ctypes.byref(self._beneath)
        self._paths = [
            (path, rights & files & (-1 if os.path.isdir(path) else _OF_A_FILE)) for path, rights in _topmost(paths)
        ]

    def put_up(self, rules: Iterable[tuple[int, int]] = ()) -> None:
        """Refuse from now on. ``rules``: further rules as descriptors with rights. Raises ``OSError``.

        The process must have one thread and no new privileges.
        """
        ruleset = kernel.syscall(_CREATE_RULESET, self._attribute, self._size, _NO_FLAGS)
        try:
            for path, rights in self._paths:
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
                self._add(ruleset, fd, rights)
                os.close(fd)
            for fd, rights in rules:
                if not stat.S_ISDIR(os.fstat(fd).st_mode):
                    rights &= _OF_A_FILE
                self._add(ruleset, fd, rights & self._files)
            kernel.syscall(_RESTRICT_SELF, ruleset, _NO_FLAGS)
        finally:
            os.close(ruleset)

    def _add(self, ruleset: int, fd: int, rights: int) -> None:
        self._beneath.allowed, self._beneath.parent_fd = rights, fd
        kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, self._rule, _NO_FLAGS)


def _topmost(paths: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the paths that exist, without those beneath another one with the same rights."""
    kept: list[tuple[str, int]] = []
    for path, rights in sorted(set(paths)):
        beneath = any(path.startswith(f"{above}/") and rights == allowed for above, allowed in kept)
        if not beneath and os.path.exists(path):
            kept.append((path, rights))
    return kept


def restrict(version: int, rules: Iterable[tuple[int, int]]) -> None:
    """Refuse everything except ``rules``: descriptors of files or directories, with rights. See ``Ruleset.put_up``."""
    Ruleset(version).put_up(rules)


def guards_truncation(version: int) -> bool:
    """Return whether Landlock guards ``truncate`` by path. If not, a filter has to refuse it."""
    return version >= 3


def library_paths() -> list[str]:
    """Return the paths from which Python and its libraries are read. Imports need no other."""
    import sys
    import sysconfig

    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    paths = {f"{prefix}/{name}" for prefix in prefixes for name in ("lib", "lib64")}
    paths |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")}
    paths |= {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime"}
    return sorted(os.path.realpath(path) for path in paths)


DEVICES: Final = {"/dev/null": READ_WRITE_FILE | _TRUNCATE, "/dev/urandom": _READ_FILE, "/dev/random": _READ_FILE}
"""Devices with their rights. ``/dev/zero`` is missing, because a mapping of it is memory that no limit counts."""


NVIDIA_DEVICES: Final = (r"nvidia\d+", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps")
"""Names in ``/dev``, as regular expressions: each device, control of all, unified memory, parts of devices."""

NVIDIA_PATHS: Final = (
    "/proc/driver/nvidia",
    "/sys/module/nvidia",
    "/sys/module/nvidia_uvm",
    "/sys/devices/system/node",
)
"""Paths that the library of the NVIDIA driver reads."""


def device_paths() -> list[tuple[str, int]]:
    """Return paths and rights that a process needs to use an NVIDIA device."""
    names = sorted(name for name in os.listdir("/dev") if any(re.fullmatch(one, name) for one in NVIDIA_DEVICES))
    return [
        *((f"/dev/{name}", READ_WRITE_FILE | _READ_DIR | _IOCTL) for name in names),
        *((path, READ) for path in NVIDIA_PATHS),
    ]


OWN_FILES: Final = ("cgroup", "maps", "stat", "statm", "status")
"""Files of ``/proc/self`` that libraries read: which libraries are loaded, how much memory is in use, which control
group it is in. duckdb fails if a file that exists cannot be opened."""

MACHINE_PATHS: Final = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")
"""Files about the machine that libraries read."""


_GROUP_LIMITS: Final = {
    "": ("memory.max", "cpu.max"),
    "memory": ("memory.limit_in_bytes",),
    "cpu": ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
}
"""Files with the limits of a control group, by controller; the empty name is version 2."""


def group_limit_paths() -> list[str]:
    """Return the files that say what this process's control groups allow, and nothing of other processes.

    Libraries look in the group that ``/proc/self/cgroup`` names and at the top.
    """
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        for controller in controllers.split(","):
            for name in _GROUP_LIMITS.get(controller, ()):
                folder = f"/sys/fs/cgroup/{controller}".rstrip("/")
                found += [f"{folder}/{name}", f"{folder}{group.rstrip('/')}/{name}"]
    return sorted({path for path in found if "/../" not in path})


def _newest(by_abi: dict[int, int], version: int) -> int:
    known = [number for number in by_abi if number <= version]
    return by_abi[max(known)] if known else 0
