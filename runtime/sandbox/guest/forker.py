"""The loop of the template and of every holder: it forks on demand, reaps children, and reports how they ended."""

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

from runtime.sandbox.guest import confine
from runtime.sandbox.protocol import Message, recv_packet, send_packet
from runtime.sandbox.walls.watches import Watches

log = logging.getLogger("graphside.sandbox")

Become = Callable[[Message, list[int], int], NoReturn]
"""Runs in a forked child with the packet, its descriptors and the parent's pid. It never returns."""


_STRAYS_END_WITHIN_S: Final = 5.0
_LOOK_AGAIN_MS: Final = 100
"""The kernel kills the children of a child that was killed. They end a moment later, and nothing else tells of that."""


class Forker:
    """Forks a child for each packet ``{"child": number, ...}`` and reports ``child`` (with a pidfd) and ``exit``."""

    def __init__(
        self,
        control: socket.socket,
        become: Become,
        threads: confine.Threads,
        orphans: bool,
        fork: Callable[[], int] = os.fork,
        watches: Watches | None = None,
    ) -> None:
        """``orphans``: whether children can leave processes behind, because no filter keeps them from starting any.

        ``watches``: counts what children ask for.
        """
        self._control = control
        self._become = become
        self._threads = threads
        self._fork = fork
        self._poll = select.poll()
        self._watches = watches
        self._children: dict[int, tuple[int, int | None]] = {}  # by pidfd: pid, and the replica's number for it
        self._strays_until = 0.0
        self._children_file = open("/proc/thread-self/children", "rb", buffering=0) if orphans else None

    def serve(self) -> NoReturn:
        """Serve until the replica closes the control channel, then end."""
        control = self._control.fileno()
        self._poll.register(control, select.POLLIN)
        watches = self._watches
        if watches is not None:
            self._poll.register(watches.listener, select.POLLIN)
        while True:
            expected = time.monotonic() < self._strays_until
            ready = self._poll.poll(_LOOK_AGAIN_MS if expected else None)
            if expected:
                self._reap_strays()
            for fd, _ in ready:
                if watches is not None and fd == watches.listener:
                    watches.answer([pid for pid, _ in self._children.values()])
                    continue
                if fd != control:
                    self._reap(fd)
                    continue
                received = recv_packet(self._control)
                if received is None:
                    os._exit(0)
                self._start(*received)

    def _start(self, message: Message, fds: list[int]) -> None:
        if not self._threads.only_one():
            log.error("forker.threads a library started a thread; ending, so that a new process takes over")
            os._exit(71)
        parent_pid = os.getpid()
        pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if self._is_counted_keeper(message) else None
        pid = self._fork()
        if pid == 0:
            self._child(message, fds if pipe is None else [*fds, pipe[1]], parent_pid)
        for fd in fds:
            os.close(fd)
        if pipe is not None and self._watches is not None:
            os.close(pipe[1])
            self._watches.follow(pid, pipe[0])
        pidfd = self._watch(pid, message["child"])
        send_packet(self._control, {"event": "child", "child": message["child"], "pid": pid}, (pidfd,))

    def _is_counted_keeper(self, message: Message) -> bool:
        return self._watches is not None and message.get("kind") == "keeper"

    def _child(self, message: Message, fds: list[int], parent_pid: int) -> NoReturn:
        try:
            self._become(message, fds, parent_pid)
        except BaseException:
            log.exception("child.failed")
        finally:
            os._exit(70)

    def _watch(self, pid: int, number: int | None) -> int:
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid, number
        self._poll.register(pidfd, select.POLLIN)
        return pidfd

    def _reap(self, pidfd: int) -> None:
        pid, number = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            self._strays_until = time.monotonic() + _STRAYS_END_WITHIN_S
        if self._watches is not None:
            self._watches.forget(pid)
        if number is not None:
            code = os.waitstatus_to_exitcode(status)
            send_packet(self._control, {"event": "exit", "child": number, "code": code})
        self._reap_strays()
        self._kill_orphans()  # after the end of an orphan too, because its children are ours now

    def _reap_strays(self) -> None:
        """Reap dead descendants whose parent, a keeper or a holder, was killed before it could."""
        known = {pid for pid, _ in self._children.values()}
        while (dead := _first_dead()) is not None and dead not in known:
            os.waitpid(dead, 0)

    def _kill_orphans(self) -> None:
        """Kill what a dead child left behind. As subreaper we are its parent now, and we know our own children."""
        if self._children_file is None:
            return
        known = {pid for pid, _ in self._children.values()}
        self._children_file.seek(0)
        for pid in map(int, self._children_file.read().split()):
            if pid not in known:
                with suppress(ProcessLookupError):  # this /proc shows another pid namespace
                    os.kill(pid, signal.SIGKILL)
                    self._watch(pid, None)


def _first_dead() -> int | None:
    """Return the pid of a child that is dead and not reaped; None if there is none."""
    with suppress(ChildProcessError):
        dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return None if dead is None else dead.si_pid
    return None
