"""Landlock: which files a process may open, made and put up by the process itself, without privilege.

Everything that the running kernel can guard is refused, less what is named: libraries to read, a scratch directory to
work in. TCP, signals and abstract sockets to whoever is outside are refused altogether.
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
"""In scratch: no devices, sockets or pipes are made there, and nothing is executed."""


class _RulesetAttribute(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """The kernel's version of Landlock; 0 where it has none, or was started without it."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError:
        return 0


def open_paths(paths: Iterable[str]) -> list[int]:
    """Descriptors that stand for those of the paths that exist. The caller closes them."""
    found = []
    for path in paths:
        try:
            found.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
        except OSError:
            continue
    return found


class Ruleset:
    """Refuses all but what its rules name. Made once, put up in many processes: as much as can be is done beforehand.

    ``version`` is ``abi()``; ``paths`` are paths and rights beneath them, those that exist when this is made. What lies
    beneath another one with the same rights needs no rule of its own.
    """

    def __init__(self, version: int, paths: Iterable[tuple[str, int]] = ()) -> None:
        files = _newest(_FILE_RIGHTS_BY_ABI, version)
        self._attribute = ctypes.byref(
            _RulesetAttribute(files, _newest(_NET_RIGHTS_BY_ABI, version), _newest(_SCOPES_BY_ABI, version))
        )
        # Older kernels know shorter attributes; what they do not know is zero here.
        self._size = ctypes.c_size_t(8 if version < 4 else 16 if version < 6 else 24)
        self._files = files
        self._beneath = _PathBeneath()
        self._rule = ctypes.byref(self._beneath)
        self._paths = [
            (path, rights & files & (-1 if os.path.isdir(path) else _OF_A_FILE)) for path, rights in _topmost(paths)
        ]

    def put_up(self, rules: Iterable[tuple[int, int]] = ()) -> None:
        """Refuse from now on; ``rules`` are further ones, of descriptors. Raises ``OSError``.

        Expects one thread, without new privileges.
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
    """Those that exist, less those that lie beneath another one with the same rights."""
    kept: list[tuple[str, int]] = []
    for path, rights in sorted(set(paths)):
        beneath = any(path.startswith(f"{above}/") and rights == allowed for above, allowed in kept)
        if not beneath and os.path.exists(path):
            kept.append((path, rights))
    return kept


def restrict(version: int, rules: Iterable[tuple[int, int]]) -> None:
    """Refuse all but ``rules``: (descriptor of a file or directory, rights beneath it). As ``Ruleset.put_up``."""
    Ruleset(version).put_up(rules)


def guards_truncation(version: int) -> bool:
    """Whether ``truncate`` by path is guarded; else a filter has to refuse it."""
    return version >= 3


def library_paths() -> list[str]:
    """What Python and its libraries are read from: no other part of the file system is needed for imports."""
    import sys
    import sysconfig

    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    paths = {f"{prefix}/{name}" for prefix in prefixes for name in ("lib", "lib64")}
    paths |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")}
    paths |= {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime"}
    return sorted(os.path.realpath(path) for path in paths)


DEVICES: Final = {"/dev/null": READ_WRITE_FILE | _TRUNCATE, "/dev/urandom": _READ_FILE, "/dev/random": _READ_FILE}
"""``/dev/zero`` is not among them: mapped, it is memory in nobody's account."""


OF_NVIDIA: Final = (r"nvidia\d+", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps")
"""Names in ``/dev``, as expressions: each device, control of all, unified memory, parts of devices."""

AROUND_NVIDIA: Final = (
    "/proc/driver/nvidia",
    "/sys/module/nvidia",
    "/sys/module/nvidia_uvm",
    "/sys/devices/system/node",
)
"""What its driver's library reads of the machine."""


def device_paths() -> list[tuple[str, int]]:
    """What a process needs that uses an NVIDIA device, as far as it is here: paths and rights."""
    names = sorted(name for name in os.listdir("/dev") if any(re.fullmatch(one, name) for one in OF_NVIDIA))
    return [
        *((f"/dev/{name}", READ_WRITE_FILE | _READ_DIR | _IOCTL) for name in names),
        *((path, READ) for path in AROUND_NVIDIA),
    ]


OF_ONESELF: Final = ("maps", "stat", "statm", "status")
"""Files of ``/proc/self`` that libraries read: which libraries are loaded, how much memory is in use."""

OF_THE_MACHINE: Final = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu")


def _newest(by_abi: dict[int, int], version: int) -> int:
    known = [number for number in by_abi if number <= version]
    return by_abi[max(known)] if known else 0
