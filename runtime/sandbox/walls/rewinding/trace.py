"""Stops a process from outside, and reads and sets its registers, by ptrace. For x86-64.

The process is traced only while it is stopped. While it runs a task, nobody traces it, so its signals are its own.
"""

import ctypes
import os
import signal
import struct
import time
from collections.abc import Callable
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

MOST_LISTINGS: Final = 8
"""Times that threads are listed until no new one shows, because those that run may start others."""

_PAUSE_S: Final = 0.0005
_READ, _EXIT = 0, 60  # numbers of system calls
_SYSCALL_BYTES: Final = 2
_INTERRUPTED: Final = 2**64 - 512  # -ERESTARTSYS
_NO_CALL: Final = 2**64 - 1
_ALL_SIGNALS: Final = 2**64 - 1

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
        self._read_back = ctypes.create_string_buffer(len(self._general))
        self._extended = ctypes.create_string_buffer(_EXTENDED_BYTES)
        self._extended_bytes = 0
        self._mask = ctypes.c_uint64()
        self._vector = _Vector()

    def read(self, pid: int) -> None:
        """Read them. Raises ``Unfit`` if the thread is in 32-bit mode, and so has others."""
        if self._transfer(_GET_REGISTERS, pid, _GENERAL, self._general, len(self._general)) != len(self._general):
            raise Unfit("registers")
        self._extended_bytes = self._transfer(_GET_REGISTERS, pid, _EXTENDED, self._extended, _EXTENDED_BYTES)
        _ptrace(_GET_MASK, pid, _MASK_BYTES, ctypes.addressof(self._mask))

    def write(self, pid: int) -> None:
        """Set them. Raises ``Unfit`` if that was not possible, because a task has put the thread into 32-bit mode, or
        has changed a flag that only the thread itself can change."""
        for kind, buffer, length in (
            (_GENERAL, self._general, len(self._general)),
            (_EXTENDED, self._extended, self._extended_bytes),
        ):
            if self._transfer(_SET_REGISTERS, pid, kind, buffer, length) != length:
                raise Unfit("registers")
        self._transfer(_GET_REGISTERS, pid, _GENERAL, self._read_back, len(self._read_back))
        if self._read_back.raw != self._general.raw:
            raise Unfit("registers")
        _ptrace(_SET_MASK, pid, _MASK_BYTES, ctypes.addressof(self._mask))

    def waits_in_read_of(self, fd: int) -> bool:
        """Return whether the thread was stopped while it waited to read from ``fd``."""
        return self["orig_rax"] == _READ and self["rdi"] == fd and self["rax"] == _INTERRUPTED

    def begin_call_again(self) -> None:
        """Have the thread make the call anew that it waited in, without the kernel's own way to restart calls."""
        self["rax"] = self["orig_rax"]
        self["rip"] -= _SYSCALL_BYTES
        self["orig_rax"] = _NO_CALL

    def exit_at(self, address: int) -> None:
        """Have the thread end itself, by the system call at ``address``, without handling a signal before."""
        self["rip"], self["rax"], self["rdi"], self["orig_rax"] = address, _EXIT, 0, _NO_CALL
        self._mask.value = _ALL_SIGNALS

    def __getitem__(self, name: str) -> int:
        value: int = _WORD.unpack_from(self._general, _WORD.size * _ORDER.index(name))[0]
        return value

    def __setitem__(self, name: str, value: int) -> None:
        _WORD.pack_into(self._general, _WORD.size * _ORDER.index(name), value)

    def _transfer(self, request: int, pid: int, kind: int, buffer: ctypes.Array[ctypes.c_char], length: int) -> int:
        """Return how many bytes the kernel read or set: fewer than ``length`` if it has fewer registers."""
        self._vector.base, self._vector.length = ctypes.addressof(buffer), length
        try:
            _ptrace(request, pid, kind, ctypes.addressof(self._vector))
        except OSError as error:
            raise Unfit("registers", error.strerror or "") from None
        return int(self._vector.length)


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

    def end_threads(self, others: Callable[[], list[int]], exit_at: int) -> None:
        """End all threads of the stopped process but this one, its first.

        ``others``: lists them. ``exit_at``: address of an instruction that makes a system call.
        """
        stopped: dict[int, Tracee] = {}
        for _ in range(MOST_LISTINGS):
            new = [number for number in others() if number not in stopped]
            if not new:
                break
            for number in new:
                stopped[number] = thread = Tracee(number)
                thread._stop_thread()
        else:
            raise Unfit("threads", "start others without end")
        for thread in stopped.values():
            thread._exit(exit_at)
        for _ in range(MOST_LISTINGS):
            if not others():
                return
            time.sleep(_PAUSE_S)  # one was ending by itself
        raise Unfit("threads", "are left")

    def restartable_sequences(self) -> bytes:
        """Return where the stopped thread has registered its restartable sequences (rseq)."""
        buffer = ctypes.create_string_buffer(_RSEQ_BYTES)
        _ptrace(_GET_RSEQ, self.pid, _RSEQ_BYTES, ctypes.addressof(buffer))
        return buffer.raw

    def _stop_thread(self) -> None:
        try:
            self.stop()
        except Unfit as unfit:
            if unfit.reason != "ended":
                raise

    def _exit(self, at: int) -> None:
        """End this stopped thread."""
        if not self._is_traced:
            return  # it ended by itself
        registers = Registers()
        registers.read(self.pid)
        registers.exit_at(at)
        registers.write(self.pid)
        _ptrace(_CONT, self.pid)
        _, status = os.waitpid(self.pid, _WAIT_FOR_ANY)
        if os.WIFSTOPPED(status):
            raise Unfit("threads", f"one does not end, status {status:#x}")

    def _wait(self) -> int:
        _, status = os.waitpid(self.pid, _WAIT_FOR_ANY)
        if not os.WIFSTOPPED(status):
            self._is_traced = False
            raise Unfit("ended", f"status {status:#x}")
        return status
