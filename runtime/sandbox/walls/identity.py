"""Makes a process run as a user that no other process has, and without capabilities."""

import ctypes
import os
import secrets
from typing import Final

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.syscalls import number_of, require_architecture

_FIRST_UID: Final = 1_900_000_000
_UIDS: Final = 1 << 26
"""The ids from ``_FIRST_UID`` on that neither people, services nor container managers get."""

_CAPABILITY_VERSION: Final = 0x20080522
_CAP_KILL, _CAP_SETGID, _CAP_SETUID = 5, 6, 7
_AMBIENT_CLEAR_ALL: Final = 4
_MOST_CAPABILITIES: Final = 64


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def new_uid() -> int:
    """Return a random user id, one of 67 million, which no other process has."""
    return _FIRST_UID + secrets.randbelow(_UIDS)


def may_become_anybody() -> bool:
    """Return whether this process can become the users of ``new_uid``: it is root, and its namespace has the ids."""
    if os.geteuid() != 0:
        return False
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            spans = [tuple(map(int, line.split())) for line in file]
    except OSError:
        return False
    return any(inside <= _FIRST_UID and inside + count >= _FIRST_UID + _UIDS for inside, _, count in spans)


def become(uid: int) -> None:
    """Become that user for good, in the group of the same number only. This clears the parent-death signal."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def drop_capabilities(kept: tuple[int, ...] = ()) -> None:
    """Drop all capabilities but these, and all ways to get them back."""
    try:
        kernel.prctl(kernel.PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    except OSError:
        pass  # this kernel has no ambient capabilities
    for capability in range(_MOST_CAPABILITIES):
        if capability not in kept:
            try:
                kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
            except OSError:
                break  # not privileged, or past the last capability
    mask = sum(1 << number for number in kept)
    data = (_Data * 2)(_Data(mask, mask, 0), _Data(0, 0, 0))
    header = _Header(_CAPABILITY_VERSION, 0)
    number = number_of("capset", require_architecture())
    assert number is not None
    kernel.syscall(number, ctypes.byref(header), ctypes.byref(data))


SWITCHING_USERS: Final = (_CAP_KILL, _CAP_SETGID, _CAP_SETUID)
"""Capabilities that a holder keeps, so that each seat can become another user and still dies with the holder. The
kernel's parent-death signal needs the parent's right to kill."""
