"""A seat that serves many runs: after each, its keeper rewinds it to the point at which it waits at its gate.

Its descriptors are those of every seat (``guest/seat.py``), then 5, the **gate**, a socket from which it reads its
keeper's orders and on which it confirms them; and 6, by which the kernel notes its writes. A task gains nothing by
using them: the keeper gives orders only when all of the seat is restored, and first drops what was confirmed before.
The gate is no pipe, because a task could open a pipe's other end through ``/proc/self/fd``, and give orders itself.
"""

import ctypes
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

from runtime import source
from runtime.errors import InvalidSource
from runtime.sandbox.guest import confine, heap, seat, surroundings
from runtime.sandbox.guest.rewind.orders import Scrubber, block_signals
from runtime.sandbox.protocol import Message, recv_frame, send_frame
from runtime.sandbox.seat_messages import SeatRequest
from runtime.sandbox.walls import kernel, namespaces
from runtime.sandbox.walls.enclosure import Enclosure
from runtime.sandbox.walls.rewinding import tracking
from runtime.sandbox.walls.rewinding.mappings import Mapping, own_mappings
from runtime.sandbox.walls.syscalls import number_of, require_architecture

GATE_FD: Final = 5
HERE, AT_GATE, SCRUBBED = b"h", b"g", b"s"
"""What a seat confirms: that it can be traced; that it is about to wait at its gate; that it did what it was told."""

LARGE_BYTES: Final = 512 * 1024 * 1024
"""A mapped file of this size is not tracked, because a look at it would cost as much for each page that was never
touched (a millisecond a GiB). It is looked through for written pages instead."""

_STACK: Final = b"[stack]"
_STACK_MARGIN_BYTES: Final = 64 * 1024
_STACK_BYTES: Final = 8 * 1024 * 1024  # what the stack grows by before the first run
_ROOM_BYTES: Final = 512 * 1024  # of the heap, for what is done until the first run
_TRACKING_TRIES: Final = 4
_CLONE: Final = number_of("clone", require_architecture()) or 0
_CHILD_OF_PARENT: Final = 0x8000
_WARM_UP_RUNS: Final = 8
_SECOND_THREAD: Final = 2

_WARM_UP: Final[SeatRequest] = {
    "token": None,
    "keep": False,
    "task": {"source": "def task(g):\n    return 1\n", "output_type": "json", "format": "json", "accepts_text": True},
    "cpu_s": 60.0,
    "memory_bytes": 1 << 30,
    "scratch_bytes": 1 << 20,
    "result_bytes": 1 << 20,
    "threads": _SECOND_THREAD,
    "cpus": 1,
}


def be_rewound_seat(
    fds: list[int], order: Message, enclosure: Enclosure, plottable: Callable[[], Any], *, parent_pid: int
) -> NoReturn:
    """Put walls up around this newly forked process, and serve. ``fds`` become 0 to 5, then the scratch directory.

    ``order``: limits of its runs (``memory_bytes``, ``scratch_bytes``), which cannot be raised later, and the text of
    the task that will probably be run (``source``).
    """
    confine.die_with_parent(parent_pid)
    confine.take_fds(fds)
    confine.read_nothing()
    scratch_fd = len(fds) - 1
    os.nice(seat.NICENESS)
    os.chdir(namespaces.path_of(scratch_fd) if enclosure.walls.namespaces else scratch_fd)
    confine.show_files()
    surroundings.prepare_seat(os.getcwd())
    _warm_up(plottable)
    with suppress(InvalidSource):
        source.remember(order["source"])
    enclosure.rewound_seat_files(scratch_fd)
    os.close(scratch_fd)
    confine.limit(resource.RLIMIT_FSIZE, order["scratch_bytes"])
    space = confine.AddressSpace()
    confine.limit_memory(space.mapped_bytes() + _STACK_BYTES, order["memory_bytes"])
    space.close()
    heap.make_room(_ROOM_BYTES)
    scrubber = Scrubber()
    _track(sealed=order["sealed"])
    # From here on, memory that is asked for may lie where no write is noted. The keeper refuses such a seat.
    _make_witness()
    enclosure.rewound_seat_calls()
    _serve(scrubber, plottable)


def _serve(scrubber: Scrubber, plottable: Callable[[], Any]) -> NoReturn:
    block_signals()
    scrubber.remember_heap()
    os.write(GATE_FD, AT_GATE)
    # The baseline is taken in the first read of this call. Whatever a task does, each run begins here.
    orders = recv_frame(GATE_FD)
    if orders is None:
        os._exit(0)
    scrubber.scrub(orders)
    os.write(GATE_FD, SCRUBBED)
    request = seat.next_request()
    if request is None:
        os._exit(0)
    seat.apply_limits(request, again=True)
    answer = seat.answer_to(request, plottable)
    send_frame(seat.CHANNEL_FD, answer)
    while True:
        signal.pause()


def _warm_up(plottable: Callable[[], Any]) -> None:
    """Have memory ready that every run needs, so that no run has to ask for it."""
    for _ in range(_WARM_UP_RUNS):
        seat.answer_to(_WARM_UP, plottable)


def _make_witness() -> None:
    """Fork a process that keeps the memory as it is now. It is stopped at its birth, and never runs.

    It is the keeper's child, so that a task finds no child of its own.
    """
    os.write(GATE_FD, HERE)
    os.read(GATE_FD, 1)  # the keeper traces this process by now
    if kernel.syscall(_CLONE, _CHILD_OF_PARENT | signal.SIGCHLD, *[ctypes.c_void_p(0)] * 4) == 0:
        os._exit(0)


def _track(*, sealed: bool) -> None:
    """Have the kernel note writes. ``sealed``: fix all mappings, so that only those that can be written matter."""
    _grow_stack()
    tracker = tracking.open_tracker()
    for _ in range(_TRACKING_TRIES):
        mappings = own_mappings()
        tracking.track(tracker, [one for one in mappings if not sealed or (one.is_writable and not is_large(one))])
        if mappings == own_mappings():  # to list them takes memory too
            break
    if sealed:
        return tracking.seal(mappings)
    # The stack is the one mapping that grows by itself. It shall not where a task has unmapped a part of it.
    confine.limit(resource.RLIMIT_STACK, _STACK_MARGIN_BYTES)


def is_large(mapping: Mapping) -> bool:
    """Return whether a sealed mapping is looked through for written pages instead of being tracked."""
    return mapping.has_file and mapping.end - mapping.start >= LARGE_BYTES


def _grow_stack() -> None:
    """Make the stack as large as it may become, so that no run makes it larger. One page of it is touched."""
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    stack = next(one for one in own_mappings() if one.name == _STACK)
    if soft != resource.RLIM_INFINITY:
        tracking.touch(stack.end - soft + _STACK_MARGIN_BYTES)
