"""Stops a process from outside, and reads and sets its registers, by ptrace. For x86-64.

The process is traced only while it is stopped. While it runs a task, nobody traces it, so its signals are its own.
"""

import ctypes
import os
import signal
import struct
from typing import Final

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.rewinding.unfit import Unfit

_CONT, _DETACH = 7, 17
_SEIZE, _INTERRUPT, _EVENT_MESSAGE = 0x4206, 0x4207, 0x4201
_GET_REGISTERS, _SET_REGISTERS = 0x4204, 0x4205
_GET_MASK, _SET_MASK = 0x420A, 0x420B
_GET_RSEQ: Final = 0x420F

_TRACE_FORK, _KILL_WITH_TRACER = 0x2, 0x100000
_EVENT_FORK, _EVENT_STOP = 1, 128
_WAIT_FOR_ANY: Final = 0x40000000  # __WALL: also for a process that is another one's child

_GENERAL, _EXTENDED = 1, 0x202  # NT_PRSTATUS, NT_X86_XSTATE
_ORDER: Final = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)
_WORD: Final = struct.Struct("=Q")
_EXTENDED_BYTES: Final = 16 * 1024  # more than any processor's state
_MASK_BYTES: Final = 8
_RSEQ_BYTES: Final = 24
_MOST_SIGNALS: Final = 8
"""Signals on their way to a process that is being stopped. They are dropped."""

_READ: Final = 0  # number of the system call
_SYSCALL_BYTES: Final = 2
_INTERRUPTED: Final = 2**64 - 512  # -ERESTARTSYS
_NO_CALL: Final = 2**64 - 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    if _libc.ptrace(request, pid, address, data) < 0:
        raise kernel.failed()


class Registers:
    """All registers of a stopped thread, and which signals it blocks."""

    def __init__(self) -> None:
        self._general = ctypes.create_string_buffer(len(_ORDER) * _WORD.size)
        self._extended = ctypes.create_string_buffer(_EXTENDED_BYTES)
        self._extended_bytes = 0
        self._mask = ctypes.c_uint64()
        self._vector = _Vector()

    def read(self, pid: int) -> None:
        self._transfer(_GET_REGISTERS, pid, _GENERAL, self._general, len(self._general))
        self._transfer(_GET_REGISTERS, pid, _EXTENDED, self._extended, _EXTENDED_BYTES)
        self._extended_bytes = self._vector.length
        _ptrace(_GET_MASK, pid, _MASK_BYTES, ctypes.addressof(self._mask))

    def write(self, pid: int) -> None:
        self._transfer(_SET_REGISTERS, pid, _GENERAL, self._general, len(self._general))
        self._transfer(_SET_REGISTERS, pid, _EXTENDED, self._extended, self._extended_bytes)
        _ptrace(_SET_MASK, pid, _MASK_BYTES, ctypes.addressof(self._mask))

    def waits_in_read_of(self, fd: int) -> bool:
        """Return whether the thread was stopped while it waited to read from ``fd``."""
        return self["orig_rax"] == _READ and self["rdi"] == fd and self["rax"] == _INTERRUPTED

    def begin_call_again(self) -> None:
        """Have the thread make the call anew that it waited in, without the kernel's own way to restart calls."""
        self["rax"] = self["orig_rax"]
        self["rip"] -= _SYSCALL_BYTES
        self["orig_rax"] = _NO_CALL

    def __getitem__(self, name: str) -> int:
        value: int = _WORD.unpack_from(self._general, _WORD.size * _ORDER.index(name))[0]
        return value

    def __setitem__(self, name: str, value: int) -> None:
        _WORD.pack_into(self._general, _WORD.size * _ORDER.index(name), value)

    def _transfer(self, request: int, pid: int, kind: int, buffer: ctypes.Array[ctypes.c_char], length: int) -> None:
        self._vector.base, self._vector.length = ctypes.addressof(buffer), length
        _ptrace(request, pid, kind, ctypes.addressof(self._vector))


class Tracee:
    """A process that this one may stop. It is killed if this process ends while it is stopped."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._is_traced = False

    def trace_fork(self) -> None:
        """Trace the running process until its next fork (``forked_child``)."""
        _ptrace(_SEIZE, self.pid, 0, _TRACE_FORK | _KILL_WITH_TRACER)
        self._is_traced = True

    def forked_child(self) -> "Tracee":
        """Wait until the process forks, and let it go on. Return its child, stopped before its first instruction."""
        status = self._wait()
        if status >> 8 != signal.SIGTRAP | _EVENT_FORK << 8:
            raise Unfit("ended", f"status {status:#x} instead of a fork")
        pid = ctypes.c_ulong()
        _ptrace(_EVENT_MESSAGE, self.pid, 0, ctypes.addressof(pid))
        child = Tracee(pid.value)
        child._is_traced = True
        child._wait()
        self.go_on()
        return child

    def stop(self) -> None:
        """Stop the process wherever it is. Signals that reach it meanwhile are dropped.

        Raises ``Unfit`` if it has ended or has stopped itself.
        """
        try:
            if not self._is_traced:
                _ptrace(_SEIZE, self.pid, 0, _KILL_WITH_TRACER)
                self._is_traced = True
            _ptrace(_INTERRUPT, self.pid)
        except OSError as error:
            raise Unfit("ended", error.strerror or "") from None
        for _ in range(_MOST_SIGNALS):
            status = self._wait()
            if status >> 8 == signal.SIGTRAP | _EVENT_STOP << 8:
                return
            if status >> 16 == _EVENT_STOP:
                raise Unfit("stopped")
            _ptrace(_CONT, self.pid)
        raise Unfit("signals", "without end")

    def go_on(self) -> None:
        """Let the stopped process run, and trace it no more."""
        _ptrace(_DETACH, self.pid)
        self._is_traced = False

    def restartable_sequences(self) -> bytes:
        """Return where the stopped thread has registered its restartable sequences (rseq)."""
        buffer = ctypes.create_string_buffer(_RSEQ_BYTES)
        _ptrace(_GET_RSEQ, self.pid, _RSEQ_BYTES, ctypes.addressof(buffer))
        return buffer.raw

    def _wait(self) -> int:
        _, status = os.waitpid(self.pid, _WAIT_FOR_ANY)
        if not os.WIFSTOPPED(status):
            raise Unfit("ended", f"status {status:#x}")
        return status
