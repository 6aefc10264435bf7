"""The runner deployment: owns the dataset cache and every process below it. Its methods are ``async`` only, since a
cancelled sync method would free its slot while its thread ran on.

Requests and replies are plain dicts of JSON values and bytes; a failed run is a reply, not an exception.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, fields, replace
from typing import Any, Final

from ray import serve

from deployments.calls.direct.server import DirectServer
from deployments.replica.start import begin_replica
from deployments.runner.metrics import RunnerMetrics
from deployments.settings import LiveSettings, Settings
from runtime.datasets.store.base import Store
from runtime.datasets.store.opening import open_store
from runtime.engines.base import DatasetSource, Engine
from runtime.engines.pandas import HOLDER_BYTES, PandasEngine, SeatSettings
from runtime.errors import LimitTooHigh, RuntimeFailure
from runtime.executor import Executor, ExecutorSettings, Receipt
from runtime.memory import memory_bytes
from runtime.sandbox.host.large_result import LargeResult
from runtime.sandbox.host.scratch import ScratchRoot
from runtime.sandbox.host.template import TemplateProcess, template_environment
from runtime.sandbox.walls.cgroup import SHARE, GroupLimits, TaskGroup, open_group, sweep
from runtime.sandbox.walls.delegation import divide, given_group
from runtime.sandbox.walls.enclosure import Walls
from runtime.sandbox.walls.isolation import Isolation, find_walls, remark
from runtime.task import MIB, Limits, TaskSpec
from runtime.uploads import Uploads
from runtime.versions import library_versions

log = logging.getLogger("graphside.runner")

INLINE_BYTES: Final = 1 * MIB
"""A result up to this size travels with the reply; a larger one is fetched from the replica that made it."""

CHUNK_BYTES: Final = 1 * MIB
KEEP_RESULT_S: Final = 60.0
METRICS_INTERVAL_S: Final = 2.0

GROUP_MARGIN_BYTES: Final = 512 * MIB
GROUP_MARGIN_PIDS: Final = 1024
"""For the template and parsers of uploads."""

Reply = dict[str, Any]


class Runner:
    """One replica: an executor over this node's CPU, the parsers of uploads, results that wait to be fetched."""

    def __init__(self, settings: dict[str, Any]) -> None:
        begin_replica()
        self._settings = Settings.model_validate(settings)
        self._live = LiveSettings(limits=self._settings.limits, log_level=self._settings.log_level)
        self._replica_id = serve.get_replica_context().replica_id.unique_id
        walls = standing_walls(self._settings.isolation)
        self._remark = remark(self._settings.isolation)
        home = self._settings.data_dir / "scratch"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._scratch = ScratchRoot(home, for_other_users=walls.throwaway_users)
        store = open_store(self._settings.data_dir, self._settings.store_options)
        executor_settings = self._executor_settings()
        self._maximum_memory = _share_of_memory(self._settings, executor_settings.seats)
        limits = group_limits(self._settings, executor_settings, self._maximum_memory)
        group = standing_group(limits) if walls.cgroup else None
        self._template, engine, cache_bytes = self._make_engine(store, walls, group, executor_settings)
        self._executor = Executor(engine, replace(executor_settings, cache_bytes=cache_bytes), group)
        self._uploads = Uploads(store, self._template, self._settings.max_upload_bytes)
        self._metrics = RunnerMetrics()
        self._versions = library_versions()
        self._results: dict[str, bytes | LargeResult] = {}
        self._direct = DirectServer(self.run)
        self._ready = asyncio.create_task(self._start())
        self._sampler = asyncio.create_task(self._sample())

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over ``user_config`` without a restart: see ``LiveSettings``."""
        limits = {**self._settings.limits.model_dump(), **user_config.get("limits", {})}
        self._live = LiveSettings.model_validate({**user_config, "limits": limits})
        logging.getLogger("graphside").setLevel(self._live.log_level)
        log.info("settings.live %s", self._live)

    async def run(self, request: Reply) -> Reply:
        """Run a task. ``request``: ``source``, ``spec``, ``limits``, ``engine``; the reply is ``reply_of``'s."""
        started = time.perf_counter()
        source = DatasetSource(**request["source"])
        run_id = request["spec"]["run_id"]
        try:
            spec = TaskSpec(**request["spec"], limits=self._limits(request["limits"]))
            outcome, receipt = await self._executor.run(source, spec, request["engine"])
        except RuntimeFailure as failure:
            log.info("run.refused run_id=%s cause=%s%s", run_id, failure.type, self._remark)
            return {"failure": failure.to_wire()}
        asyncio.get_running_loop().call_soon(self._metrics.run_ended, receipt)
        log.info(
            "run.finished run_id=%s dataset_id=%s cause=%s "
            "queue_s=%.4f seat_s=%.4f run_s=%.4f encode_s=%.4f total_s=%.4f%s",
            spec.run_id, source.dataset_id, receipt.cause, receipt.queue_s, receipt.seat_s,
            receipt.run_s, receipt.encode_s, time.perf_counter() - started, self._remark,
        )  # fmt: skip
        cost = {name: getattr(receipt, name) for name in _RECEIPT_FIELDS}
        reply: Reply = {"receipt": cost, "versions": self._versions}
        if outcome.stdout or outcome.stderr or outcome.failure is not None:
            reply["output"] = {name: getattr(outcome, name) for name in _OUTPUT_FIELDS}
        if outcome.failure is not None:
            return {**reply, "failure": outcome.failure.to_wire()}
        reply["kind"] = outcome.kind
        if outcome.length <= INLINE_BYTES:
            return {**reply, "result": outcome.result}
        self._keep(spec.run_id, outcome.result)
        place = outcome.result.location if isinstance(outcome.result, LargeResult) else None
        return {**reply, "replica": self._replica_id, "length": outcome.length, "place": place}

    async def place(self) -> AsyncIterator[Reply]:
        """A place for one run at a time, until the caller ends this call: how to come here without Serve."""
        async with self._direct.place() as (number, left):
            yield {"replica": self._replica_id, "address": self._direct.address, "place": number}
            await left

    async def cancel(self, run_id: str) -> bool:
        """End a run; one that is still on its way here is ended when it comes. Whether it is here."""
        return self._executor.cancel(run_id)

    async def states(self) -> dict[str, str]:
        """The runs that are here now: ``queued`` or ``running`` by id."""
        return dict(self._executor.states())

    async def fetch(self, run_id: str) -> AsyncIterator[bytes]:
        """A kept result, once, in chunks. Nothing where there is none (any more)."""
        result = self._results.pop(run_id, b"")
        for offset in range(0, len(result), CHUNK_BYTES):
            yield result[offset : offset + CHUNK_BYTES]

    async def drop(self, run_id: str) -> None:
        """Forget a kept result: who was to fetch it has its file open."""
        self._results.pop(run_id, None)

    async def parse(self, request: Reply) -> Reply:
        """Parse an upload in the store's incoming directory; ``{"object": {...}}`` or ``{"failure": ...}``."""
        try:
            return {"object": await self._uploads.parse(**request)}
        except RuntimeFailure as failure:
            return {"failure": failure.to_wire()}

    async def concatenate(self, object_ids: list[str]) -> Reply:
        """Concatenate stored tables into a new one; as ``parse``."""
        try:
            return {"object": await self._uploads.concatenate(object_ids)}
        except RuntimeFailure as failure:
            return {"failure": failure.to_wire()}

    async def evict(self, dataset_id: str) -> None:
        """Forget a dataset that was deleted or changed."""
        await self._executor.evict(dataset_id)

    async def is_ready(self) -> bool:
        """Whether runs can start now."""
        return self._ready.done() and not self._ready.cancelled() and self._ready.exception() is None

    async def ready(self) -> bool:
        """Return once runs can start."""
        await asyncio.shield(self._ready)
        return True

    async def stats(self) -> Reply:
        """What this replica holds and has done, for tests and operators."""
        executor = self._executor
        return {
            "replica": self._replica_id,
            "pid": os.getpid(),
            "template_pid": self._template.pid,
            "engine": executor.engine.name,
            "datasets": executor.cache.dataset_ids,
            "cache": {**asdict(executor.cache.counts), "used_bytes": executor.cache.used_bytes},
            "causes": dict(executor.causes),
            "running": executor.running,
            "waiting": executor.waiting,
        }

    def record_routing_stats(self) -> dict[str, Any]:
        """What routers of other processes learn of this replica: the datasets it holds."""
        return {"datasets": self._executor.cache.dataset_ids}

    async def check_health(self) -> None:
        """Raises where this replica cannot run tasks any more."""
        if self._ready.done() and not self._ready.cancelled() and (error := self._ready.exception()) is not None:
            raise RuntimeError("the template does not start") from error

    async def __del__(self) -> None:
        for task in (self._sampler, self._ready):
            task.cancel()
        self._direct.close()
        await self._executor.close()
        self._scratch.close()

    def _executor_settings(self) -> ExecutorSettings:
        """``cache_bytes`` is what datasets may take of this machine's memory."""
        settings = self._settings
        seats = settings.seats or max(4, 2 * (os.cpu_count() or 1))
        cache_bytes = settings.cache_bytes or memory_bytes() // 2
        return ExecutorSettings(seats=seats, queue=settings.queue, cache_bytes=cache_bytes)

    def _make_engine(
        self, store: Store, walls: Walls, group: TaskGroup | None, executor: ExecutorSettings
    ) -> tuple[TemplateProcess, Engine, int]:
        """What its processes are forked from, what loads datasets into them, and what those may take, in bytes.

        The one place in which runners of different engines differ.
        """
        template = TemplateProcess(walls, group)
        seats = seat_settings(self._settings, self._scratch)
        engine = PandasEngine(store, template, seats, executor.cache_bytes)
        return template, engine, executor.cache_bytes

    async def _start(self) -> None:
        if self._settings.direct_calls:
            await self._start_direct()
        await self._executor.start()
        await self._template.wait_ready()

    async def _start_direct(self) -> None:
        try:
            await self._direct.start()
        except OSError:  # runs go by Serve
            log.exception("direct.not_started")

    async def _sample(self) -> None:
        while True:
            self._metrics.sample(self._executor)
            await asyncio.sleep(METRICS_INTERVAL_S)

    def _limits(self, asked: dict[str, Any]) -> Limits:
        """What the request asks for, else the defaults, which this machine's memory may lower."""
        most = self._maximum_memory
        wanted = asked.get("memory_bytes", 0)
        if wanted > most:
            text = f"memory_bytes: a run may have at most {most} bytes here"
            raise LimitTooHigh(text, limit_name="memory_bytes", limit=most, observed=wanted)
        limits = {**self._live.limits.model_dump(), **asked}
        limits["memory_bytes"] = min(limits["memory_bytes"], most)
        return Limits(**limits)

    def _keep(self, run_id: str, result: bytes | LargeResult) -> None:
        self._results[run_id] = result
        asyncio.get_running_loop().call_later(KEEP_RESULT_S, self._results.pop, run_id, None)


def standing_walls(isolation: Isolation) -> Walls:
    """The walls that runs get here. Raises ``WallMissing`` where one that ``isolation`` requires does not hold."""
    walls, line = find_walls(isolation, template_environment())
    (log.warning if remark(isolation) else log.info)(line)
    return walls


def standing_group(limits: GroupLimits) -> TaskGroup:
    """The control group that runs get here. Raises ``NotDelegated``, ``OSError``: the walls said that there is one."""
    base = given_group()
    sweep(base)
    group = open_group(base, divide(base), limits)
    log.info(
        "group.made path=%s controllers=%s memory_bytes=%d pids=%d",
        group.path, ",".join(group.controllers), group.limits.memory_bytes, group.limits.pids,
    )  # fmt: skip
    return group


def group_limits(settings: Settings, executor: ExecutorSettings, most_memory_bytes: int) -> GroupLimits:
    """What everything below a runner may have together: enough for whatever the other limits allow, and less than all.

    ``most_memory_bytes``: of one run. The result of each is in memory too, until it is fetched.
    """
    runs_bytes = executor.seats * (most_memory_bytes + settings.maximum.result_bytes)
    holders = executor.cache_bytes // HOLDER_BYTES
    enough_bytes = min(runs_bytes + executor.cache_bytes + GROUP_MARGIN_BYTES, int(SHARE * memory_bytes()))
    return GroupLimits(
        memory_bytes=settings.tasks_memory_bytes or enough_bytes,
        pids=executor.seats * settings.limits.threads
        + holders * (1 + settings.spare_seats + settings.reused_seats)
        + GROUP_MARGIN_PIDS,
    )


_RECEIPT_FIELDS: Final = tuple(field.name for field in fields(Receipt))
_OUTPUT_FIELDS: Final = ("stdout", "stderr", "stdout_truncated", "stderr_truncated")


def _share_of_memory(settings: Settings, seats: int) -> int:
    """The most memory of one run: with all seats taken, the machine stays below Ray's own memory monitor."""
    share = int(memory_bytes() * 0.8) // seats
    return settings.maximum.memory_bytes or share


def seat_settings(settings: Settings, scratch: ScratchRoot) -> SeatSettings:
    """What seats of a runner are made with."""
    maximum = settings.maximum
    return SeatSettings(
        scratch=scratch,
        spares=settings.spare_seats,
        reused=settings.reused_seats,
        output_bytes=settings.limits.output_bytes,
        result_bytes=maximum.result_bytes,
        file_bytes=max(maximum.result_bytes, maximum.scratch_bytes),
        open_files=settings.limits.open_files,
        threads=settings.limits.threads,
    )
