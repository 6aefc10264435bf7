"""The keeper: a process that makes one rewound seat, and rewinds it when the replica says so.

A holder forks it. It becomes the user of its seat, because the kernel lets a process trace others of its own user only.
It runs no task and believes nothing that its seat writes: it reads what the kernel says about the stopped seat, and one
byte that the restored seat confirms with. Its seat cannot reach it, because its memory is hidden (``hide_memory``).

On its control channel it answers like a forker (``host/children.py``): ``child`` with a pidfd once the seat is forked,
``ready`` once the seat can take a request, ``exit`` when the seat has ended. To ``rewind`` it answers ``rewound`` or
``unfit``; the seat is dead then.
"""

import gc
import logging
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final, NoReturn

from runtime.sandbox.guest import confine
from runtime.sandbox.guest.fork_without_hooks import fork_without_hooks
from runtime.sandbox.guest.rewind import rewound_seat
from runtime.sandbox.guest.rewind.checking import Check
from runtime.sandbox.guest.rewind.orders import Orders
from runtime.sandbox.guest.rewind.rewinder import Rewinder, Rewound
from runtime.sandbox.protocol import Message, recv_packet, send_frame, send_packet
from runtime.sandbox.walls import identity, watches
from runtime.sandbox.walls.enclosure import Enclosure
from runtime.sandbox.walls.rewind import SEALED
from runtime.sandbox.walls.rewinding.pages import pages_of
from runtime.sandbox.walls.rewinding.trace import Tracee
from runtime.sandbox.walls.rewinding.unfit import Unfit

log = logging.getLogger("graphside.sandbox")

CONTROL_FD, TELLING_FD = 3, 4
NICENESS: Final = 4
"""A rewind goes on after the answer, so it gives way to the server. It goes before runs (``seat.NICENESS``), because
the next run waits for it, or is forked, which takes longer: behind runs, one client had half as many runs a second."""

MOST_ROUNDS: Final = 4
"""Rewinds in a row after which mappings must be as they were."""

OTHER_PROCESSES: Final = 2
"""Processes of a seat's user besides its own: keeper and witness."""

_CHUNK: Final = 4096
_BARE_ORDERS: Final = Orders()


def main(
    fds: list[int],
    enclosure: Enclosure,
    plottable: Callable[[], Any],
    *,
    parent_pid: int,
    uid: int | None,
    threads: int,
) -> NoReturn:
    """Be a keeper. ``fds`` become 0 (nothing), 1 and 2 (the holder's log), 3 (control), and 4 (``watches.tell``) if the
    holder counts watches.

    ``uid``: the seat's user. ``threads``: the most of a run.
    """
    confine.die_with_parent(parent_pid)
    confine.take_fds(fds)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=CONTROL_FD)
    if uid is not None:
        confine.limit(resource.RLIMIT_NPROC, threads + OTHER_PROCESSES)
        identity.become(uid)
        confine.die_with_parent(parent_pid)
    received = recv_packet(control)
    if received is None:
        os._exit(0)
    telling = TELLING_FD if len(fds) > TELLING_FD else None
    Keeper(control, telling, enclosure, *received, plottable).serve()


class Keeper:
    """Makes a seat and keeps it."""

    def __init__(
        self,
        control: socket.socket,
        telling: int | None,
        enclosure: Enclosure,
        order: Message,
        fds: list[int],
        plottable: Callable[[], Any],
    ) -> None:
        """``order``: ``child`` (the replica's number for the seat), limits of its runs, ``checked`` (``checking.py``).

        ``fds``: the seat's, then both ends of its gate, the keeper's last.
        """
        self._control = control
        self._telling = telling
        self._number = order["child"]
        sealed = enclosure.walls.rewind == SEALED
        *fds, own_end = fds
        self._gate = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=own_end)
        me = os.getpid()
        *outward, scratch, gate = fds
        seat_pid = fork_without_hooks()
        if seat_pid == 0:
            _be_seat([0, *outward, gate, scratch], {**order, "sealed": sealed}, enclosure, plottable, me)
        for fd in fds:
            os.close(fd)
        gc.disable()  # a collection would copy every page that holds an object
        if not order.get("checked"):  # to compare all memory takes long where the machine is busy
            os.nice(NICENESS)
        self._seat = Tracee(seat_pid)
        self._pidfd = os.pidfd_open(seat_pid)
        self._send({"event": "child", "child": self._number, "pid": seat_pid}, (self._pidfd,))
        enclosure.keeper()
        self._witness: Tracee | None = None
        self._rewinder: Rewinder | None = None
        self._check: Check | None = None
        self._sealed = sealed
        self._is_checked = bool(order.get("checked"))

    def serve(self) -> NoReturn:
        """Make the seat, and serve until it or the channel ends."""
        try:
            self._make()
            self._send({"event": "ready"})
            self._rewind_on_request()
        except Unfit as unfit:
            log.info("seat.unfit %s", unfit)
            self._say_unfit(unfit.reason)
        except OSError as error:
            log.error("seat.unfit errno=%s %s", error.errno, error.strerror)
            self._say_unfit("state")
        except Exception:
            log.exception("keeper.failed")
            self._say_unfit("state")
        finally:
            self._end()

    def _make(self) -> None:
        self._await(rewound_seat.HERE)
        self._seat.trace_fork()
        os.write(self._gate.fileno(), b"\0")
        self._witness = self._seat.forked_child()
        self._await(rewound_seat.AT_GATE)
        self._rewinder = Rewinder(self._seat, self._witness, sealed=self._sealed)
        anonymous = self._rewinder.take_baseline(rewound_seat.GATE_FD)
        if self._is_checked:
            self._check = Check(self._seat.pid, pages_of(anonymous))
        self._say_it_has_no_watches()
        self._order(_BARE_ORDERS)
        self._seat.go_on()
        self._await(rewound_seat.SCRUBBED)

    def _rewind_on_request(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._pidfd, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if self._pidfd in ready:
                log.info("seat.ended while it ran")
                return
            if recv_packet(self._control) is None:
                return
            began = time.thread_time()
            done = self._rewind()
            differing = {} if self._check is None else {"differing": self._check.differing}
            self._send({"event": "rewound", "cpu_s": time.thread_time() - began, **asdict(done), **differing})

    def _rewind(self) -> Rewound:
        assert self._rewinder is not None
        for _ in range(MOST_ROUNDS):
            self._seat.stop()
            self._rewinder.end_threads()
            self._drop_confirmed()
            orders, done = self._rewinder.rewind()
            if self._check is not None:
                self._check.compare()
            self._rewinder.learn_again_if_due()
            if not orders.must_be_checked:
                self._say_it_has_no_watches()
            self._order(orders)
            self._seat.go_on()
            self._await(rewound_seat.SCRUBBED)
            if not orders.must_be_checked:
                return done
        raise Unfit("unsettled")

    def _order(self, orders: Orders) -> None:
        """Give orders to the stopped seat, which finds them when it goes on."""
        send_frame(self._gate.fileno(), orders.to_wire())

    def _await(self, expected: bytes) -> None:
        """Wait until the seat confirms, or ends. The replica sets the deadline."""
        poll = select.poll()
        poll.register(self._gate, select.POLLIN)
        poll.register(self._pidfd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll()]
        # The witness has the seat's end of the gate as well, so the gate does not tell that the seat has ended.
        if self._gate.fileno() not in ready or self._gate.recvmsg(1)[0] != expected:
            raise Unfit("ended", "without a confirmation")

    def _drop_confirmed(self) -> None:
        """Drop what was confirmed, and what a task wrote there, before the seat goes on."""
        with suppress(BlockingIOError):
            while self._gate.recvmsg(_CHUNK, 0, socket.MSG_DONTWAIT)[0]:
                pass

    def _say_it_has_no_watches(self) -> None:
        if self._telling is not None:
            watches.tell(self._telling, self._seat.pid)

    def _say_unfit(self, reason: str) -> None:
        with suppress(OSError):
            self._send({"event": "unfit", "reason": reason})

    def _end(self) -> NoReturn:
        """End the seat and the witness, and report how the seat ended."""
        try:
            with suppress(OSError):
                os.kill(self._seat.pid, signal.SIGKILL)
            code = _reap(self._seat.pid)
            if self._witness is not None:
                with suppress(OSError):
                    os.kill(self._witness.pid, signal.SIGKILL)
                with suppress(OSError):
                    _reap(self._witness.pid)
            with suppress(OSError):
                self._send({"event": "exit", "child": self._number, "code": code})
        finally:
            os._exit(0)

    def _send(self, message: Message, fds: tuple[int, ...] = ()) -> None:
        send_packet(self._control, message, fds)


def _be_seat(
    fds: list[int], order: Message, enclosure: Enclosure, plottable: Callable[[], Any], parent_pid: int
) -> NoReturn:
    try:
        rewound_seat.be_rewound_seat(fds, order, enclosure, plottable, parent_pid=parent_pid)
    except Exception as error:  # no stack: stderr may be the caller's by now, who must not learn our paths
        log.error("seat.failed %s: %s", type(error).__name__, getattr(error, "strerror", None))
    finally:
        os._exit(70)


def _reap(pid: int) -> int:
    """Wait until a process has ended, past stops of a traced one. Return its exit code, as ``Popen.returncode``."""
    while True:
        _, status = os.waitpid(pid, 0x40000000)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
