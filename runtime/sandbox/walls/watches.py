"""Lets each seat make a few epoll objects with a few watches, which tokio (and so polars) needs to wake its threads.

A watch is memory of the kernel that no limit counts, and the machine has so many for each user. A filter cannot count
calls either. So the holder puts up a filter that asks it about each such call (seccomp's user notification), which its
seats inherit. It counts for each seat, and lets a call through or refuses it.

A seat that is rewound after each run is the child of a keeper, and has none of its objects left then. Its keeper tells
the holder on a pipe that the count begins anew. The holder reads that when it is asked next.
"""

import ctypes
import errno
import fcntl
import os
import signal
import struct
from collections.abc import Collection
from contextlib import suppress
from typing import Final, Self

from runtime.sandbox.walls import kernel, policy
from runtime.sandbox.walls.bpf import compile_filter
from runtime.sandbox.walls.rules import ALLOW, ASK
from runtime.sandbox.walls.seccomp import Filter
from runtime.sandbox.walls.syscalls import NEWEST_CALL, number_of, require_architecture

MOST_CALLS: Final = 64
"""Calls of ``policy.COUNTED`` that a seat may make in its life: no more objects and watches than this."""

MOST_QUESTIONS: Final = 4096
"""A seat that asks more often is killed, because answers take the holder's time."""

_PID: Final = struct.Struct("=I")
_TOLD_BYTES: Final = 64 * 1024

_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_CONTINUE: Final = 1
_QUESTION: Final = struct.Struct("=QII64x")  # id, thread, flags, the call
_ANSWER: Final = struct.Struct("=QqiI")  # id, result, error, flags


class Watches:
    """Answers the questions of seats. Make it in the holder, before its own filter."""

    def __init__(self, listener: int) -> None:
        self.listener = listener
        self._asked: dict[int, int] = {}  # by the seat's pid
        self._keepers: dict[int, tuple[int, int]] = {}  # by the keeper's pid: its pipe, and the pid of its seat
        architecture = require_architecture()
        self._tgkill = number_of("tgkill", architecture)

    @classmethod
    def put_up(cls) -> Self | None:
        """Put the asking filter up. Return None if this kernel or container has no place for it."""
        architecture = require_architecture()
        numbers = [number for name in policy.COUNTED if (number := number_of(name, architecture)) is not None]
        asking = Filter(compile_filter(dict.fromkeys(numbers, ASK), architecture.audit_number, NEWEST_CALL, ALLOW))
        seccomp = number_of("seccomp", architecture)
        assert seccomp is not None
        try:
            listener = kernel.syscall(
                seccomp, ctypes.c_ulong(_SET_MODE_FILTER), ctypes.c_ulong(_NEW_LISTENER), asking.argument
            )
        except OSError:  # the kernel is older than 5.5, or the container's runtime listens already
            return None
        os.set_inheritable(listener, False)
        return cls(listener)

    def answer(self, seats: Collection[int]) -> None:
        """Answer one question. ``seats``: pids of the seats that live, and of keepers."""
        buffer = bytearray(_QUESTION.size)
        try:
            fcntl.ioctl(self.listener, policy.RECEIVE_QUESTION, buffer)
        except OSError:
            return  # the thread that asked is dead
        question, thread, _ = _QUESTION.unpack(buffer)
        seat = next((pid for pid in (*seats, *self._kept_seats()) if self._is_of(thread, pid)), None)
        asked = 0 if seat is None else self._asked.get(seat, 0) + 1
        if seat is not None:
            self._asked[seat] = asked
            if asked > MOST_QUESTIONS:
                with suppress(OSError):
                    os.kill(seat, signal.SIGKILL)
        allowed = 0 < asked <= MOST_CALLS
        answer = _ANSWER.pack(question, 0, 0 if allowed else -errno.EPERM, _CONTINUE if allowed else 0)
        with suppress(OSError):  # it died meanwhile
            fcntl.ioctl(self.listener, policy.SEND_ANSWER, bytearray(answer))

    def follow(self, keeper: int, telling: int) -> None:
        """Count for the seat of this keeper, which tells by ``telling`` (``tell``), a pipe that does not block. This
        takes the descriptor over."""
        self._keepers[keeper] = telling, 0

    def forget(self, child: int) -> None:
        """Forget a seat, or a keeper with its seat, that has ended."""
        self._asked.pop(child, None)
        if child in self._keepers:
            telling, seat = self._keepers.pop(child)
            os.close(telling)
            self._asked.pop(seat, None)

    def _kept_seats(self) -> list[int]:
        """Return the seats of keepers. The count of one that was rewound meanwhile begins anew."""
        for keeper, (telling, _) in self._keepers.items():
            with suppress(BlockingIOError):
                if told := os.read(telling, _TOLD_BYTES):
                    (seat,) = _PID.unpack(told[-_PID.size :])
                    self._keepers[keeper] = telling, seat
                    self._asked.pop(seat, None)
        return [seat for _, seat in self._keepers.values() if seat]

    def _is_of(self, thread: int, pid: int) -> bool:
        if thread == pid:
            return True
        try:
            kernel.syscall(self._tgkill or 0, ctypes.c_int(pid), ctypes.c_int(thread), ctypes.c_int(0))
        except OSError:
            return False
        return True


def tell(pipe: int, seat: int) -> None:
    """Tell the holder, as its seat's keeper, that the seat has no watches."""
    with suppress(BlockingIOError):  # the holder was not asked for long: the last word will do
        os.write(pipe, _PID.pack(seat))
