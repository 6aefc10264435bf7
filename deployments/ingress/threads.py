"""The threads of one ingress: a pool for each kind of blocking work, so that no kind waits for another.

The janitor's chores have the loop's own threads, which nothing else uses.

A call waits for its turn before it gets a thread, so a thread never waits for another call. The turn goes by sender
(``sender.py``): a sender with many calls waits for its own calls, and others pass.

All pools together use fewer connections than the catalog keeps (``catalog/dialects.py``), so no call waits for one.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Generic, ParamSpec, TypeVar

from deployments.ingress.pace import Pace
from deployments.ingress.refusals import refused
from deployments.ingress.sender import current_sender
from runtime.turns import QueueFull, Turns

P = ParamSpec("P")
T = TypeVar("T")

PASSWORD_NICENESS: Final = 5
"""Passwords are hashed at the priority of tasks, behind the processes that answer everybody."""


class Pool:
    """Threads for one kind of work, and the queue before them.

    ``queue``: calls that may wait, in all and of one sender. ``spared``: threads that one sender leaves to others.
    ``niceness``: how much lower than the process' own the threads' priority is. ``pace``: makes senders wait who have
    used much processor time.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        *,
        queue: int,
        queue_per_sender: int,
        spared: int = 1,
        niceness: int = 0,
        pace: Pace | None = None,
    ) -> None:
        self._name = name
        self._turns = Turns(threads, queue=queue, queue_per_user=queue_per_sender, spared=spared)
        self._queue_per_sender = queue_per_sender
        self._pace = pace
        self._threads = ThreadPoolExecutor(threads, f"graphside-{name}", partial(_step_back, niceness))

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns, called in a thread when it is the sender's turn.

        If the caller is cancelled, the thread goes on and keeps its place until it is done. Raises
        ``TooManyRequests`` if too many of the sender's calls wait, ``Overloaded`` if too many wait in all.
        """
        sender = current_sender()
        await self._take_turn(sender)
        try:
            call = _Measured(partial(copy_context().run, function, *args, **kwargs))
            work = asyncio.get_running_loop().run_in_executor(self._threads, call)
        except BaseException:
            self._turns.give_back(sender)
            raise
        work.add_done_callback(partial(self._done, sender, call))
        return await asyncio.shield(work)

    def close(self) -> None:
        """Take no more calls. Those that have a thread go on."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _take_turn(self, sender: str) -> None:
        """Wait for the sender's turn. Who has to wait for their pace keeps no place meanwhile."""
        while True:
            try:
                await self._turns.take(sender)
            except QueueFull as full:
                raise refused(full, limit_name=f"waiting_{self._name}_calls", limit=self._queue_per_sender) from None
            wait_s = 0.0 if self._pace is None else self._pace.wait_s(sender)
            if not wait_s:
                return
            self._turns.give_back(sender)
            await asyncio.sleep(wait_s)

    def _done(self, sender: str, call: "_Measured[Any]", work: "asyncio.Future[Any]") -> None:
        self._turns.give_back(sender)
        if self._pace is not None:
            self._pace.spend(sender, call.cpu_s)
        if not work.cancelled():
            work.exception()  # mark it as retrieved: perhaps nobody waits for it any more


class _Measured(Generic[T]):
    """A call that knows afterwards how much processor time it took."""

    __slots__ = ("_call", "cpu_s")

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self.cpu_s = 0.0

    def __call__(self) -> T:
        began = time.thread_time()
        try:
            return self._call()
        finally:
            self.cpu_s = time.thread_time() - began


class Threads:
    """All pools of an ingress.

    - ``passwords``: hashing of passwords, which uses a core and 64 MiB for a third of a second.
    - ``catalog``: questions to the catalog. ``changes``: writes to it, which wait for each other.
    - ``receipts``: questions for receipts, which wait until the newest are written.
    - ``bodies``: large JSON. ``disk``: bytes of uploads. ``store``: stored tables, which may be in a bucket far away.
    - ``issuer``: tokens of another issuer, whose keys are fetched.
    - ``watch``: the question whether the catalog has changed, on which revocation relies.
    """

    def __init__(self) -> None:
        self.passwords = Pool(
            "password", password_threads(), queue=128, queue_per_sender=32, niceness=PASSWORD_NICENESS
        )  # fmt: skip
        pace = Pace()  # one for all pools in which Python computes for users
        # One sender has two of them: threads that make long lists compete for the interpreter with the loop.
        self.catalog = Pool("catalog", 6, queue=1024, queue_per_sender=256, spared=4, pace=pace)
        self.changes = Pool("change", 2, queue=512, queue_per_sender=128, pace=pace)
        self.receipts = Pool("receipt", 2, queue=512, queue_per_sender=128, pace=pace)
        self.bodies = Pool("body", 2, queue=256, queue_per_sender=64, pace=pace)
        self.disk = Pool("disk", 4, queue=1024, queue_per_sender=128)
        self.store = Pool("store", 2, queue=512, queue_per_sender=128, pace=pace)
        self.issuer = Pool("issuer", 2, queue=128, queue_per_sender=32)
        self.watch = Pool("watch", 1, queue=1, queue_per_sender=1, spared=0)

    def close(self) -> None:
        """End all pools."""
        for pool in vars(self).values():
            pool.close()


def password_threads() -> int:
    """Return how many passwords are hashed at a time: half of the cores, because the others answer requests."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


def _step_back(niceness: int) -> None:
    """Lower the priority of this thread. On Linux, a thread has one of its own."""
    if niceness:
        thread = threading.get_native_id()
        lowest = 19
        os.setpriority(os.PRIO_PROCESS, thread, min(lowest, os.getpriority(os.PRIO_PROCESS, thread) + niceness))
