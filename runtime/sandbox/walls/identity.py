"""Who a process is to the kernel: a user that nobody else is, without capabilities."""

import ctypes
import os
import secrets
from typing import Final

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.syscalls import number_of, this_architecture

_FIRST_UID: Final = 1_900_000_000
_UIDS: Final = 1 << 26
"""Numbers that neither people, services nor container managers are given."""

_CAPABILITY_VERSION: Final = 0x20080522
_CAP_KILL, _CAP_SETGID, _CAP_SETUID = 5, 6, 7
_AMBIENT_CLEAR_ALL: Final = 4
_MOST_CAPABILITIES: Final = 64


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def new_uid() -> int:
    """A user id that no process has (one in 67 million)."""
    return _FIRST_UID + secrets.randbelow(_UIDS)


def may_become_anybody() -> bool:
    """Whether this process can change its user id to ours: it is root, and the ids exist where it lives."""
    if os.geteuid() != 0:
        return False
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            spans = [tuple(map(int, line.split())) for line in file]
    except OSError:
        return False
    return any(inside <= _FIRST_UID and inside + count >= _FIRST_UID + _UIDS for inside, _, count in spans)


def become(uid: int) -> None:
    """Be that user, in a group of the same number and in no other, for good. Clears the parent-death signal."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def drop_capabilities(kept: tuple[int, ...] = ()) -> None:
    """Give up all capabilities but these, and the way to get any back."""
    try:
        kernel.prctl(kernel.PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    except OSError:
        pass  # a kernel without ambient ones has none to clear
    for capability in range(_MOST_CAPABILITIES):
        if capability not in kept:
            try:
                kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
            except OSError:
                break  # not privileged to, or past the last one
    mask = sum(1 << number for number in kept)
    data = (_Data * 2)(_Data(mask, mask, 0), _Data(0, 0, 0))
    header = _Header(_CAPABILITY_VERSION, 0)
    architecture = this_architecture()
    number = None if architecture is None else number_of("capset", architecture)
    if number is None:
        raise OSError("there is no table of system calls for this architecture")
    kernel.syscall(number, ctypes.byref(header), ctypes.byref(data))


SWITCHING_USERS: Final = (_CAP_KILL, _CAP_SETGID, _CAP_SETUID)
"""What a holder keeps, so that each of its seats can be somebody else, and still dies with it: the signal that the
kernel sends for a parent that ends needs that parent's right to kill."""
