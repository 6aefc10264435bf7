"""Event loops in tasks: they wait with ``poll``, and are woken by a pipe.

Python's own use epoll and a pair of sockets, which a task may not have (``walls/policy.py``): each holds many times the
kernel's memory that a pipe can.
"""

import io
import os
import selectors
from asyncio import selector_events
from contextlib import suppress
from typing import Any


class _End(io.FileIO):
    """One end of a pipe that does not block, by the names that a loop has for what it does with a socket."""

    recv = io.FileIO.read

    def send(self, data: bytes) -> None:
        with suppress(ValueError):  # closed meanwhile: there is nobody left to be woken
            self.write(data)


def do_without_sockets() -> None:
    """Make every event loop of this process, and of those forked from it, one that a task may have."""
    setattr(selectors, "DefaultSelector", selectors.PollSelector)  # noqa: B010  (a class of its own to mypy)
    # No public way leads there: should Python change these names, no task could use asyncio, which tests would notice.
    setattr(selector_events.BaseSelectorEventLoop, "_make_self_pipe", _make_self_pipe)  # noqa: B010


def _make_self_pipe(loop: Any) -> None:
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    loop._ssock, loop._csock = _End(reading), _End(writing, "w")
    loop._internal_fds += 1
    loop._add_reader(reading, loop._read_from_self)
