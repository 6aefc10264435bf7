"""Event loops of tasks. They wait with ``poll``, and a pipe wakes them.

Python's own loops use epoll and a pair of sockets. Tasks may have neither (``walls/policy.py``), because each can hold
many times the kernel memory of a pipe.
"""

import io
import os
import selectors
from asyncio import selector_events
from contextlib import suppress
from typing import Any


class _End(io.FileIO):
    """One end of a pipe that does not block, with the methods of a socket that a loop calls."""

    recv = io.FileIO.read

    def send(self, data: bytes) -> None:
        with suppress(ValueError):  # closed meanwhile: no loop is left to wake
            self.write(data)


def do_without_sockets() -> None:
    """Make event loops of this process, and of its children, do without epoll and sockets."""
    setattr(selectors, "DefaultSelector", selectors.PollSelector)  # noqa: B010  (mypy takes it for another class)
    # There is no public way. If Python changed these names, no task could use asyncio, which tests would show.

    setattr(selector_events.BaseSelectorEventLoop, "_make_self_pipe", _make_self_pipe)  # noqa: B010


def _make_self_pipe(loop: Any) -> None:
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    loop._ssock, loop._csock = _End(reading), _End(writing, "w")
    loop._internal_fds += 1
    loop._add_reader(reading, loop._read_from_self)
