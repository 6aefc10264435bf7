"""The replica's end of a forker: asks it for children, owns their pidfds, and learns how each ended."""

import asyncio
import itertools
import logging
import os
import select
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from runtime.errors import RunInterrupted
from runtime.sandbox.process_ids import pid_of
from runtime.sandbox.protocol import Message, ProtocolError, close_all, recv_packet, send_packet

log = logging.getLogger("graphside.sandbox")

FORK_TIMEOUT_S = 30.0
"""A fork takes milliseconds. On a machine that is very busy a run would rather wait than begin anew."""

EXIT_REPORT_TIMEOUT_S = 1.0
MOST_SIGNAL = 64
MOST_EXIT_CODE = 255


class Child:
    """A process below the replica, held by a pidfd, so that no signal reaches another process with the same pid."""

    def __init__(self, pidfd: int) -> None:
        self.pid = pid_of(pidfd)
        self._pidfd = pidfd
        loop = asyncio.get_running_loop()
        self._code: asyncio.Future[int | None] = loop.create_future()
        self._dead: asyncio.Future[None] = loop.create_future()
        loop.add_reader(pidfd, self._on_death)

    @property
    def dead(self) -> bool:
        """Return whether the process has ended, reaped or not. The kernel may know before the event loop does."""
        return self._dead.done() or readable(self._pidfd)

    def kill(self) -> None:
        """Send SIGKILL, unless the process is dead."""
        if not self._dead.done():
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass

    async def wait_dead(self) -> None:
        """Return once the process has ended."""
        await asyncio.shield(self._dead)

    async def exit_code(self) -> int | None:
        """Wait for the end and return the exit code, or minus the signal's number; None if its parent died first."""
        await self.wait_dead()
        try:
            async with asyncio.timeout(EXIT_REPORT_TIMEOUT_S):
                return await asyncio.shield(self._code)
        except TimeoutError:
            return None

    def on_death(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` once, from the loop, when the process has ended. Return a function that cancels this."""

        def call_back(_: "asyncio.Future[None]") -> None:
            callback()

        def forget() -> None:
            self._dead.remove_done_callback(call_back)

        self._dead.add_done_callback(call_back)
        return forget

    def set_code(self, code: int | None) -> None:
        """Note how the process ended, as its parent reports it."""
        if not self._code.done():
            self._code.set_result(code)

    def _on_death(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._dead.set_result(None)


class ForkerClient:
    """The replica's end of the control channel to one forker (the template, or a holder)."""

    def __init__(self, control: socket.socket, name: str, parent_pid: int | None = None) -> None:
        """``parent_pid``: pid of a forker that may be compromised. Its children are checked to be its own, because it
        could otherwise hand us other processes to kill."""
        control.setblocking(False)
        self._control = control
        self._name = name
        self._parent_pid = parent_pid
        self._numbers = itertools.count(1)
        self._forks: dict[int, asyncio.Future[Child]] = {}
        self._children: dict[int, Child] = {}
        loop = asyncio.get_running_loop()
        self._first: asyncio.Future[Message] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(control.fileno(), self._on_readable)

    async def first_event(self, timeout_s: float) -> Message:
        """Wait for the forker's first message (``ready`` or ``failed``).

        Raises ``TimeoutError``, or ``RunInterrupted`` if the forker died first.
        """
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(self._first)

    async def fork(self, message: Message, fds: tuple[int, ...]) -> Child:
        """Have the forker fork a child that gets copies of ``fds``. The caller closes ``fds``.

        Raises ``RunInterrupted`` if the forker has ended or does not answer.
        """
        number = next(self._numbers)
        future: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._forks[number] = future
        try:
            await self._send({**message, "child": number}, fds)
            async with asyncio.timeout(FORK_TIMEOUT_S):
                return await asyncio.shield(future)
        except (TimeoutError, asyncio.CancelledError) as error:
            # The forker may still report the child. Nobody waits for it, so it is killed then.
            future.add_done_callback(_kill_unwanted)
            if isinstance(error, TimeoutError):
                raise self._gone() from None
            raise
        finally:
            self._forks.pop(number, None) if future.done() else None

    async def fork_connected(
        self, message: Message, fds: tuple[int, ...] = (), kind: int = socket.SOCK_STREAM
    ) -> tuple[Child, socket.socket]:
        """Fork a child that gets one end of a new socket pair before ``fds``. Return the child and the other end.

        Raises as ``fork``.
        """
        near, far = socket.socketpair(socket.AF_UNIX, kind)
        try:
            return await self.fork(message, (far.fileno(), *fds)), near
        except BaseException:
            near.close()
            raise
        finally:
            far.close()

    def close(self) -> None:
        """Close the channel. The forker then ends, and its children with it."""
        if self.ended.done():
            return
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self.ended.set_result(None)
        for future in self._forks.values():
            if not future.done():
                future.set_exception(self._gone())
                future.exception()  # retrieved: the waiter may be gone
        self._forks.clear()
        if not self._first.done():
            self._first.set_exception(self._gone())
            self._first.exception()
        for child in self._children.values():
            child.set_code(None)
        self._children.clear()

    async def _send(self, message: Message, fds: tuple[int, ...]) -> None:
        for _ in range(1000):
            if self.ended.done():
                raise self._gone()
            try:
                return send_packet(self._control, message, fds)
            except BlockingIOError:
                await asyncio.sleep(0.01)
            except OSError:
                self.close()
        raise self._gone()

    def _on_readable(self) -> None:
        try:
            received = recv_packet(self._control)
        except BlockingIOError:
            return
        except ConnectionResetError:  # the forker was killed before it read our packets
            received = None
        except (OSError, ProtocolError):
            log.exception("forker.broken name=%s", self._name)
            received = None
        if received is None:
            return self.close()
        message, fds = received
        try:
            self._on_event(message, fds)
        except (OSError, ProtocolError, KeyError, TypeError, ValueError) as error:
            log.error("forker.lied name=%s error=%a", self._name, str(error)[:200])
            close_all(fds)
            self.close()

    def _on_event(self, message: Message, fds: list[int]) -> None:
        match message.get("event"), fds:
            case "child", [pidfd]:
                number = message.get("child")
                if type(number) is not int or number in self._children or not self._is_child(pidfd):
                    raise ProtocolError("not a child of this process")
                child = Child(pidfd)
                fds.clear()  # the child closes it
                self._children[number] = child
                future = self._forks.pop(number, None)
                if future is None or future.done():
                    child.kill()
                else:
                    future.set_result(child)
            case "exit", []:
                number, code = message.get("child"), message.get("code")
                if type(number) is not int or type(code) is not int or not -MOST_SIGNAL <= code <= MOST_EXIT_CODE:
                    raise ProtocolError("not the end of a process")
                ended = self._children.pop(number, None)
                if ended is not None:
                    ended.set_code(code)
            case _, []:
                if not self._first.done():
                    self._first.set_result(message)
            case _:
                close_all(fds)

    def _is_child(self, pidfd: int) -> bool:
        """Return whether a pidfd belongs to a process that our forker forked, or that has ended already."""
        pid = pid_of(pidfd)
        if self._parent_pid is None or pid == -1:
            return True
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return f"\nPPid:\t{self._parent_pid}\n" in status or pid_of(pidfd) == -1

    def _gone(self) -> RunInterrupted:
        return ended_before_it_began()


def ended_before_it_began() -> RunInterrupted:
    """Return the error for a request whose process ended before it did anything."""
    text = "the server process for this request ended before it began; nothing was changed, send the request again"
    return RunInterrupted(text, retry_after_s=1)


def _kill_unwanted(future: "asyncio.Future[Child]") -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().kill()


def readable(fd: int) -> bool:
    """Return whether a read would return now, with data or with the end of the file."""
    poll = select.poll()  # select() ends at descriptor 1023
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
