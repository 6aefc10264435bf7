"""List the system calls of a process as they happen, with no strace and no privilege.

It uses a seccomp filter that **notifies** instead of refusing (Linux 5.5). The traced process waits in each call that
the filter does not allow, until the watcher has recorded the call and lets it go on. Allowed calls cost nothing. So a
trace of CUDA, which makes tens of thousands of calls, takes seconds.
"""

import ctypes
import errno
import os
import select
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fcntl import ioctl
from typing import Final

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.bpf import compile_filter
from runtime.sandbox.walls.policy import Policy
from runtime.sandbox.walls.syscalls import NEWEST_CALL, number_of, this_architecture

_PIDFD_GETFD: Final = 438
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_RECEIVE, _SEND, _GO_ON = 0xC0502100, 0xC0182101, 1
_REFUSE, _NOTIFY = 0x00050000 | errno.EPERM, 0x7FC00000
_RETURN: Final = 0x06
_INSTRUCTION: Final = struct.Struct("=HBBI")
_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
_ANSWER: Final = struct.Struct("=QqiI")
_LONGEST_PATH: Final = 4096


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


@dataclass(frozen=True, slots=True)
class Call:
    """One call. ``thread``: the caller. ``arguments``: the six registers, even if the call has fewer arguments."""

    thread: int
    number: int
    arguments: tuple[int, ...]

    def path(self, argument: int) -> str:
        """Return the path that an argument points to, read from the memory of the waiting thread."""
        with open(f"/proc/{self.thread}/mem", "rb", buffering=0) as memory:
            page = 4096 - self.arguments[argument] % 4096  # the next page may not be mapped
            text = os.pread(memory.fileno(), page, self.arguments[argument])
            if b"\0" not in text:
                text += os.pread(memory.fileno(), _LONGEST_PATH, self.arguments[argument] + page)
        return text.split(b"\0", 1)[0].decode(errors="replace")

    def file(self, argument: int) -> str:
        """Return the file that a descriptor among the arguments is open on."""
        descriptor = self.arguments[argument] & 0xFFFFFFFF
        return os.readlink(f"/proc/{self.thread}/fd/{descriptor}")


def put_up(policy: Policy) -> int:
    """Put up a filter around this process, which must have one thread.

    What ``policy`` refuses (EPERM) is notified instead.

    Other answers of the policy stay. Return the listener. Raises ``OSError`` if the kernel has no notification or
    another tracer of this kind is at work.
    """
    architecture = this_architecture()
    if architecture is None:
        raise OSError("there is no table of system calls for this architecture")
    numbered = {number: rule for name, rule in policy.items() if (number := number_of(name, architecture)) is not None}
    program = compile_filter(numbered, architecture.audit_number, NEWEST_CALL)
    code = bytearray(program.code)
    program.set_pid(code, os.getpid())
    for offset in range(0, len(code), _INSTRUCTION.size):
        kind, if_true, if_false, value = _INSTRUCTION.unpack_from(code, offset)
        if kind == _RETURN and value == _REFUSE:
            _INSTRUCTION.pack_into(code, offset, kind, if_true, if_false, _NOTIFY)
    kept = ctypes.create_string_buffer(bytes(code), len(code))
    argument = _Program(len(code) // _INSTRUCTION.size, ctypes.addressof(kept))
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    call = _SECCOMP[os.uname().machine]
    return kernel.syscall(call, ctypes.c_ulong(_SET_MODE_FILTER), ctypes.c_ulong(_NEW_LISTENER), ctypes.byref(argument))


def take(pid: int, descriptor: int) -> int:
    """Copy another process's descriptor. The traced process could not send it without making a call."""
    pidfd = os.pidfd_open(pid)
    try:
        return kernel.syscall(_PIDFD_GETFD, ctypes.c_long(pidfd), ctypes.c_long(descriptor), ctypes.c_long(0))
    finally:
        os.close(pidfd)


def watch(listener: int, pid: int, still: Callable[[], bool]) -> Iterator[Call]:
    """Yield each call while it waits; it goes on when the next one is asked for.

    End with the process or after ``still``.
    """
    pidfd = os.pidfd_open(pid)
    try:
        while still():
            ready = select.select([listener, pidfd], [], [], 0.2)[0]
            if listener in ready and (told := _receive(listener)) is not None:
                yield told[1]
                _let_go_on(listener, told[0])
            elif pidfd in ready:
                return
    finally:
        os.close(pidfd)


def _receive(listener: int) -> tuple[int, Call] | None:
    room = bytearray(_NOTIFICATION.size)
    try:
        ioctl(listener, _RECEIVE, room)
    except OSError:  # the caller died meanwhile
        return None
    told, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(room)
    return told, Call(thread, number, tuple(arguments))


def _let_go_on(listener: int, told: int) -> None:
    try:
        ioctl(listener, _SEND, _ANSWER.pack(told, 0, 0, _GO_ON))
    except OSError:  # the same
        pass
