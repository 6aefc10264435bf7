"""The loop that the template and every holder run: fork on demand, reap, report."""

import logging
import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from runtime.sandbox import confine
from runtime.sandbox.protocol import Message, recv_packet, send_packet

log = logging.getLogger("graphside.sandbox")

Become = Callable[[Message, list[int], int], NoReturn]
"""What a forked child does with the packet, its descriptors and its parent's pid. It never returns."""


class Forker:
    """Forks a child for each packet ``{"child": number, ...}`` and reports ``child`` (with a pidfd) and ``exit``."""

    def __init__(self, control: socket.socket, become: Become, threads: confine.Threads, orphans: bool) -> None:
        """``orphans``: whether children can leave processes behind, which no filter keeps them from starting."""
        self._control = control
        self._become = become
        self._threads = threads
        self._children: dict[int, int] = {}  # pid -> the replica's number for it
        self._children_file = open("/proc/thread-self/children", "rb", buffering=0) if orphans else None

    def serve(self) -> NoReturn:
        """Serve until the replica closes the control channel, then end."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if wake_read in ready:
                os.read(wake_read, 4096)
                self._reap()
            if self._control.fileno() in ready:
                received = recv_packet(self._control)
                if received is None:
                    os._exit(0)
                self._fork(*received)

    def _fork(self, message: Message, fds: list[int]) -> None:
        if not self._threads.only_one():
            log.error("forker.threads a library started a thread; ending, so that a new process takes over")
            os._exit(71)
        parent_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._child(message, fds, parent_pid)
        for fd in fds:
            os.close(fd)
        self._children[pid] = message["child"]
        pidfd = os.pidfd_open(pid)
        send_packet(self._control, {"event": "child", "child": message["child"], "pid": pid}, (pidfd,))
        os.close(pidfd)

    def _child(self, message: Message, fds: list[int], parent_pid: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._become(message, fds, parent_pid)
        except BaseException:
            log.exception("child.failed")
        finally:
            os._exit(70)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is not None:
                code = os.waitstatus_to_exitcode(status)
                send_packet(self._control, {"event": "exit", "child": child, "code": code})
            self._kill_orphans()  # after an orphan too: its own children are ours now

    def _kill_orphans(self) -> None:
        """Kill what a dead child left behind: as subreaper we are its parent now, and we know our own children."""
        if self._children_file is None:
            return
        self._children_file.seek(0)
        for pid in map(int, self._children_file.read().split()):
            if pid not in self._children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
