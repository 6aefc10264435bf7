"""Runs tasks: a turn among users, then a seat from the dataset's engine, then the outcome and the cost.

This is the heart of the product, without HTTP and without Ray. A runner replica owns one executor.
"""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from runtime.dataset_cache import ROOM_TIMEOUT_S, DatasetCache, NoRoom
from runtime.engines.base import DatasetSource, Engine, LoadedDataset
from runtime.errors import EngineUnavailable, Overloaded, RunExists, RunInterrupted, TaskCancelled
from runtime.run_report import RunCost
from runtime.sandbox.host.outcome import RunOutcome
from runtime.sandbox.host.seat import SeatProcess
from runtime.sandbox.walls.cgroup import TaskGroup
from runtime.task import GPU_ENGINE, TaskSpec, send_with
from runtime.turns import QueueFull, Turns

log = logging.getLogger("graphside.runs")

ATTEMPTS: Final = 3
"""Attempts to start a run. An attempt fails if a process turns out to be dead before the task started."""

REMEMBERED_CANCELS: Final = 1000
"""How many cancels that arrived before their run are kept until it arrives."""


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """``seats`` runs at a time; ``queue`` more may wait. ``cache_bytes`` is the budget of the dataset cache, and
    ``cached_datasets`` how many it holds at most. ``concurrent_loads`` datasets are loaded at a time, one user's fewer.

    Users who have no run may find all seats taken by runs that take long. ``spared_seats`` of the seats are left to
    such users, and ``extra_seats`` are there for them beside the seats.
    """

    seats: int
    queue: int
    cache_bytes: int
    spared_seats: int = 1
    extra_seats: int = 0
    cached_datasets: int = 1000
    concurrent_loads: int = 3

    @property
    def most_runs(self) -> int:
        """The most runs at a time."""
        return self.seats + self.extra_seats


@dataclass(slots=True, eq=False)
class _Run:
    """A run in the executor. ``seat`` is set once the run has one."""

    task: "asyncio.Task[object]"
    seat: SeatProcess | None = None
    cancelled: bool = False


class Executor:
    """Owns an engine, its dataset cache, and the queue."""

    def __init__(self, engine: Engine, settings: ExecutorSettings, group: TaskGroup | None = None) -> None:
        """``group`` is the control group of the runs, if this machine allows one."""
        self.engine = engine
        self._group = group
        self.settings = settings
        lend = None if engine.rewound is None else engine.rewound.lend
        self.cache = DatasetCache(
            engine.load, settings.cache_bytes, settings.cached_datasets, settings.concurrent_loads, lend
        )
        self.seats_used: Counter[str] = Counter()
        """How many runs there were, by the kind of their seat (``SeatKind``)."""
        self._turns = Turns(
            settings.seats, queue=settings.queue, spared=settings.spared_seats, extra=settings.extra_seats
        )
        # Runs that wait for room in the cache hold no seat, and are not in its queue.
        self._room = Turns(max(1, settings.queue), queue=0)
        self._draining = False
        self._closing: set[asyncio.Task[None]] = set()
        self._runs: dict[str, _Run] = {}
        self._cancelled_early: OrderedDict[str, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """The number of runs that wait for a turn now."""
        return self._turns.waiting

    @property
    def running(self) -> int:
        """The number of runs that have a turn now."""
        return self._turns.in_use

    async def start(self) -> None:
        """Begin to make the engine ready. Runs wait until it is."""
        await self.engine.start()

    async def run(self, source: DatasetSource, spec: TaskSpec, engine: str | None) -> tuple[RunOutcome, RunCost]:
        """Run a task on a dataset. Cancelling this kills the run.

        A run that failed is an outcome. A run that could not start raises ``EngineUnavailable``, ``Overloaded``,
        ``DatasetTooLarge``, ``DatasetUnreadable``, ``RunInterrupted`` or ``RunExists``; or ``DescriptionNeeded``.
        """
        self._require_engine(engine)
        if source.payload is None and not self.cache.holds(source):
            source.description()  # rather than after a turn
        queued = started = time.perf_counter()
        seat_s = 0.0
        with self._tracked(spec.run_id) as run:
            try:
                if run.cancelled:
                    raise asyncio.CancelledError
                room_until: float | None = None
                while True:
                    try:
                        async with self._turns.place(spec.user, _queue_full):
                            started = time.perf_counter()
                            outcome, seat_s = await self._run(source, spec, run)
                        break
                    except NoRoom:  # wait without a place, which runs on other datasets can use meanwhile
                        room_until = room_until or asyncio.get_running_loop().time() + ROOM_TIMEOUT_S
                        async with self._room.place(spec.user, _too_many_without_room):
                            await self.cache.room_for(source, spec.user, room_until)
            except asyncio.CancelledError:
                if not run.cancelled or run.task.uncancel() > 0:
                    raise
                outcome = RunOutcome(failure=TaskCancelled("the run was cancelled before its task started"))
        cost = RunCost(
            queue_s=started - queued,
            seat_s=seat_s,
            run_s=outcome.run_s,
            encode_s=outcome.encode_s,
            peak_memory_bytes=outcome.peak_memory_bytes,
            result_bytes=outcome.length,
        )
        return outcome, cost

    def cancel(self, run_id: str) -> bool:
        """End a run as ``TaskCancelled``, now or when it arrives. Return True if the run is here. Idempotent."""
        run = self._runs.get(run_id)
        if run is None:
            self._cancelled_early[run_id] = None
            while len(self._cancelled_early) > REMEMBERED_CANCELS:
                self._cancelled_early.popitem(last=False)
            return False
        if not run.cancelled:
            run.cancelled = True
            if run.seat is not None:
                run.seat.cancel()  # an outcome like others, with its output
            else:
                run.task.cancel()
        return True

    def states(self) -> dict[str, Literal["queued", "running"]]:
        """Return the state of each run that is here now, by id."""
        return {run_id: "queued" if run.seat is None else "running" for run_id, run in self._runs.items()}

    async def evict(self, dataset_id: str) -> None:
        """Forget a dataset once its runs have ended."""
        await self.cache.evict(dataset_id)

    async def close(self) -> None:
        """Refuse new runs and end every process."""
        self._draining = True
        await self.cache.close()
        await self.engine.close()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _run(self, source: DatasetSource, spec: TaskSpec, run: _Run) -> tuple[RunOutcome, float]:
        started = time.perf_counter()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self.cache.pinned(source, spec.user) as dataset:
                    seat = await dataset.take_seat(spec)
                    seat_s = time.perf_counter() - started
                    run.seat = seat
                    self.seats_used[seat.kind] += 1
                    try:
                        return await self._run_in(seat, spec), seat_s
                    finally:
                        self._give_back_later(dataset, seat, spec)
                        dataset.refill()
            except RunInterrupted:  # raised only before the task started; later it is an outcome
                run.seat = None
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    async def _run_in(self, seat: SeatProcess, spec: TaskSpec) -> RunOutcome:
        """Run the task. With a control group, the outcome names a kill by the kernel for memory."""
        if self._group is None:
            return await seat.run(spec)
        before = self._group.memory_events()
        outcome = await seat.run(spec)
        if outcome.failure is not None:
            outcome.failure = self._group.explain(outcome.failure, before, outcome.peak_memory_bytes)
        return outcome

    @contextmanager
    def _tracked(self, run_id: str) -> Iterator[_Run]:
        """Keep the run under its id while the block lasts. Raise ``RunExists``."""
        task = asyncio.current_task()
        assert task is not None
        if run_id in self._runs:
            raise RunExists(run_id)
        run = self._runs[run_id] = _Run(task)
        if run_id in self._cancelled_early:
            del self._cancelled_early[run_id]
            run.cancelled = True
        try:
            yield run
        finally:
            del self._runs[run_id]

    def _require_engine(self, engine: str | None) -> None:
        if engine is not None and engine != self.engine.name:
            here = "server, which has no GPU" if engine == GPU_ENGINE else f"runner, which has {self.engine.name!r}"
            text = f"engine {engine!r} is not available on this {here}; {send_with(self.engine.name)}"
            raise EngineUnavailable(text, engine=engine)
        if self._draining:
            raise Overloaded("this server is stopping; try again later", retry_after_s=1)

    def _give_back_later(self, dataset: LoadedDataset, seat: SeatProcess, spec: TaskSpec) -> None:
        task = asyncio.create_task(dataset.give_back(seat, spec))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _too_many_without_room(_: QueueFull) -> Overloaded:
    text = "the dataset cache has no room for this dataset, and too many runs wait for room; try again later"
    return Overloaded(text, retry_after_s=5)


def _queue_full(full: QueueFull) -> Overloaded:
    runs = "1 run is" if full.waiting == 1 else f"{full.waiting} runs are"
    text = f"the queue is full ({runs} waiting, {full.own} of them yours); try again later"
    return Overloaded(text, retry_after_s=1)
