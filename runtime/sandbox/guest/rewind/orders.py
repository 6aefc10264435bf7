"""What a rewound seat does itself, in restored code, before it waits for its next request.

Only the process itself can undo some of what a task did to it. Its keeper sends the orders, one JSON frame on the gate.
"""

import ctypes
import os
import resource
import signal
from dataclasses import asdict, dataclass, field
from typing import Final

from runtime.sandbox.guest import surroundings
from runtime.sandbox.protocol import Message
from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.syscalls import number_of, require_architecture

UMASK: Final = 0o022
_RESULT_FD: Final = 3
_HANDLED: Final = signal.SIGUSR1
_TIMERS: Final = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_PR_SET_NAME: Final = 15
_SS_DISABLE: Final = 2
_ACTION_BYTES: Final = 32
_SIGNAL_SET_BYTES: Final = 8
_FIXED: Final = (signal.SIGKILL, signal.SIGSTOP)
_UNLIMITED: Final = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
_ALL_SIGNALS: Final = ctypes.c_uint64(2**64 - 1)
_NO_SIGNALS: Final = ctypes.c_uint64(0)
_AT_ONCE: Final = (ctypes.c_long * 2)(0, 0)

_libc = ctypes.CDLL(None, use_errno=True)
_set_action = ctypes.CDLL(None).syscall  # of its own, because its arguments are declared: that is twice as fast
_set_action.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.sigaltstack.argtypes = [ctypes.c_void_p, ctypes.c_void_p]


class _Stack(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


_NO_STACK: Final = _Stack(None, _SS_DISABLE, 0)
_libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
_libc.signal.restype = ctypes.c_void_p
_NOTHING: Final = ctypes.cast(_libc.abs, ctypes.c_void_p)
_BRK, _SIGACTION, _SIGPROCMASK, _SIGTIMEDWAIT = (
    number_of(name, require_architecture()) or 0
    for name in ("brk", "rt_sigaction", "rt_sigprocmask", "rt_sigtimedwait")
)


@dataclass(slots=True)
class Orders:
    """What differs from one run to the next; everything else is put right always.

    ``unmap``: spans (start, length). ``close``: descriptors. ``heap``: the heap has other pages. ``signals``: others
    are handled or ignored than before. ``name``: the process's name, if it was changed. ``limits``: soft limits by
    number, with the hard ones.
    """

    unmap: list[tuple[int, int]] = field(default_factory=list)
    close: list[int] = field(default_factory=list)
    heap: bool = False
    signals: bool = False
    name: str | None = None
    limits: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def must_be_checked(self) -> bool:
        """Return whether the seat has to be looked at once more, after it did what is said here."""
        return bool(self.unmap or self.close or self.heap or self.signals)

    def to_wire(self) -> Message:
        return asdict(self)


class Scrubber:
    """Puts right what orders say, and what cannot be seen from outside. Make it in the seat, before the baseline."""

    def __init__(self) -> None:
        self._directory = os.getcwd()
        self._heap_end = 0
        self._actions = {number: _action(number) for number in range(1, signal.NSIG) if number not in _FIXED}
        # Which signals are handled, and which are ignored, can be seen from outside. The rest of an action cannot.
        self._addresses = [(number, ctypes.addressof(action)) for number, action in self._actions.items()]

    def remember_heap(self) -> None:
        """Note where the heap ends. Call it last, when no more is allocated."""
        self._heap_end = kernel.syscall(_BRK, ctypes.c_void_p(0))

    def scrub(self, orders: Message) -> None:
        """Put right what the seat itself has to. Raises ``OSError`` if that fails: the seat must end then."""
        resource.setrlimit(resource.RLIMIT_CPU, _UNLIMITED)
        for which, soft, hard in orders["limits"]:  # before the rest, which needs them
            resource.setrlimit(which, (soft, hard))
        for start, length in orders["unmap"]:
            _require(_libc.munmap(start, length) == 0)
        for fd in orders["close"]:
            os.close(fd)
        # Always, because only whole pages of it show from outside.
        _require(kernel.syscall(_BRK, ctypes.c_void_p(self._heap_end)) == self._heap_end)
        for number, action in self._addresses:
            _require(_set_action(_SIGACTION, number, action, None, _SIGNAL_SET_BYTES) == 0)
        if orders["name"] is not None:
            _set_name(orders["name"])
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        self._take_signals()
        _require(_libc.sigaltstack(ctypes.addressof(_NO_STACK), None) == 0)
        os.umask(UMASK)
        os.chdir(self._directory)
        os.lseek(_RESULT_FD, 0, os.SEEK_SET)
        surroundings.reseed()

    def _take_signals(self) -> None:
        """Drop signals that wait, which all do so far (``block_signals``), and let others arrive from here on."""
        while _libc.syscall(_SIGTIMEDWAIT, ctypes.byref(_ALL_SIGNALS), None, _AT_ONCE, _SIGNAL_SET_BYTES) > 0:
            pass
        # The kernel forgets which call it might have to restart when it returns from the handling of a signal.
        _libc.signal(_HANDLED, _NOTHING)
        os.kill(os.getpid(), _HANDLED)
        _change_mask(signal.SIG_SETMASK, _NO_SIGNALS)
        _sigaction(_HANDLED, ctypes.addressof(self._actions[_HANDLED]), 0)


def _require(done: bool) -> None:
    if not done:
        raise kernel.failed()


def block_signals() -> None:
    """Have signals wait, so that none disturbs a seat before it is put right."""
    _change_mask(signal.SIG_SETMASK, _ALL_SIGNALS)


def _change_mask(how: int, signals: ctypes.c_uint64) -> None:
    size = ctypes.c_size_t(_SIGNAL_SET_BYTES)
    kernel.syscall(_SIGPROCMASK, how, ctypes.byref(signals), None, size)


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
