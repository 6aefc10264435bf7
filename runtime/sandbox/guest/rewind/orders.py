"""What a rewound seat does itself, in restored code, before it waits for its next request.

Only the process itself can undo some of what a task did to it. Its keeper sends the orders, one JSON frame on the gate.
"""

import ctypes
import os
import resource
import signal
import struct
from dataclasses import asdict, dataclass, field
from typing import Final

from runtime.sandbox.guest import surroundings
from runtime.sandbox.protocol import Message
from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.syscalls import number_of, require_architecture

UMASK: Final = 0o022
_RESULT_FD: Final = 3
_TIMERS: Final = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_PR_SET_NAME: Final = 15
_SS_DISABLE: Final = 2
_ACTION_BYTES: Final = 32
_SIGNAL_SET_BYTES: Final = 8
_HANDLER: Final = struct.Struct("=Q")
_IGNORE: Final = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.sigaltstack.argtypes = [ctypes.c_void_p, ctypes.c_void_p]


class _Stack(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


_NO_STACK: Final = _Stack(None, _SS_DISABLE, 0)
_BRK, _SIGACTION = (number_of(name, require_architecture()) or 0 for name in ("brk", "rt_sigaction"))


@dataclass(slots=True)
class Orders:
    """What differs from one run to the next; everything else is put right always.

    ``unmap``: spans (start, length). ``heap``: the heap has another size. ``signals``: those that are handled
    otherwise. ``name``: the process's name, if it was changed. ``limits``: soft limits by number, with the hard ones.
    """

    unmap: list[tuple[int, int]] = field(default_factory=list)
    heap: bool = False
    signals: list[int] = field(default_factory=list)
    name: str | None = None
    limits: list[tuple[int, int, int]] = field(default_factory=list)

    def to_wire(self) -> Message:
        return asdict(self)


class Scrubber:
    """Puts right what orders say, and what cannot be seen from outside. Make it in the seat, before the baseline."""

    def __init__(self) -> None:
        self._directory = os.getcwd()
        self._heap_end = kernel.syscall(_BRK, ctypes.c_void_p(0))
        self._actions = {number: _action(number) for number in range(1, signal.NSIG)}
        # Whether a signal is handled can be seen from outside, but not by which function.
        self._handled = [
            number for number, action in self._actions.items() if _HANDLER.unpack_from(action)[0] > _IGNORE
        ]

    def scrub(self, orders: Message) -> None:
        for start, length in orders["unmap"]:
            _libc.munmap(start, length)
        if orders["heap"]:
            kernel.syscall(_BRK, ctypes.c_void_p(self._heap_end))
        for number in (*self._handled, *orders["signals"]):
            _sigaction(number, ctypes.addressof(self._actions[number]), 0)
        if orders["name"] is not None:
            _set_name(orders["name"])
        for which, soft, hard in orders["limits"]:
            resource.setrlimit(which, (soft, hard))
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        _libc.sigaltstack(ctypes.addressof(_NO_STACK), None)
        os.umask(UMASK)
        os.chdir(self._directory)
        os.lseek(_RESULT_FD, 0, os.SEEK_SET)
        surroundings.reseed()


def _action(number: int) -> "ctypes.Array[ctypes.c_char]":
    """Return how a signal is handled, as the kernel has it."""
    action = ctypes.create_string_buffer(_ACTION_BYTES)
    _sigaction(number, 0, ctypes.addressof(action))
    return action


def _sigaction(number: int, new: int, old: int) -> None:
    size = ctypes.c_size_t(_SIGNAL_SET_BYTES)
    kernel.syscall(_SIGACTION, number, ctypes.c_void_p(new), ctypes.c_void_p(old), size)


def _set_name(name: str) -> None:
    text = ctypes.create_string_buffer(name.encode("utf-8", "surrogateescape"))
    kernel.prctl(_PR_SET_NAME, ctypes.addressof(text))
