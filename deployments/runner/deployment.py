"""The runner deployment: owns the dataset cache and every process below it.

Its methods are all ``async``, because a cancelled sync method would free its slot while its thread ran on. A failed run
is a reply, not an exception (``calls/messages.py``).
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

from ray import serve

from deployments.calls.direct.server import DirectServer
from deployments.calls.messages import KeptResult, RunCall, RunReply, SlotOffer, refused
from deployments.replica.start import begin_replica
from deployments.runner.budget import (
    executor_settings,
    group_limits,
    most_kept_bytes,
    most_memory_of_a_run,
    seat_settings,
    threads_of_a_run,
)
from deployments.runner.kept_results import KeptResults
from deployments.runner.metrics import RunnerMetrics
from deployments.settings import LiveSettings, Settings
from runtime.datasets.store.base import Store
from runtime.datasets.store.opening import open_store
from runtime.engines.base import DatasetSource, DescriptionNeeded, Engine
from runtime.engines.pandas import PandasEngine
from runtime.errors import Fields, LimitTooHigh, Overloaded, RuntimeFailure
from runtime.executor import Executor, ExecutorSettings
from runtime.run_report import RunOutput, phases
from runtime.sandbox.host.environment import template_environment
from runtime.sandbox.host.large_result import LargeResult
from runtime.sandbox.host.outcome import RunOutcome
from runtime.sandbox.host.scratch import ScratchRoot
from runtime.sandbox.host.template import TemplateProcess
from runtime.sandbox.walls.cgroup import GroupLimits, TaskGroup, open_group, sweep
from runtime.sandbox.walls.delegation import divide, given_group
from runtime.sandbox.walls.enclosure import Walls
from runtime.sandbox.walls.isolation import Isolation, find_walls, remark
from runtime.task import MIB, Limits, TaskSpec
from runtime.uploads import Uploads
from runtime.versions import library_versions

log = logging.getLogger("graphside.runner")

CHUNK_BYTES: Final = 1 * MIB
METRICS_INTERVAL_S: Final = 2.0


class Runner:
    """One replica: an executor over this node's CPU, the parsers of uploads, results that wait to be fetched."""

    def __init__(self, settings: dict[str, Any]) -> None:
        begin_replica()
        self._settings = Settings.model_validate(settings)
        self._live = LiveSettings(limits=self._settings.limits, log_level=self._settings.log_level)
        self._replica_id = serve.get_replica_context().replica_id.unique_id
        walls = standing_walls(self._settings.isolation)
        self._remark = remark(self._settings.isolation)
        home = self._settings.scratch_home
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._scratch = ScratchRoot(home, for_other_users=walls.throwaway_users)
        store = open_store(self._settings.data_dir, self._settings.store_options)
        executor = self._executor_settings()
        self._maximum_memory = most_memory_of_a_run(self._settings, executor.most_runs)
        self._usual_threads = threads_of_a_run(self._settings)
        limits = group_limits(self._settings, executor, self._maximum_memory)
        group = standing_group(limits) if walls.cgroup else None
        self._template, engine, cache_bytes = self._make_engine(store, walls, group, executor)
        self._executor = Executor(engine, replace(executor, cache_bytes=cache_bytes), group)
        self._uploads = Uploads(store, self._template, self._settings.max_upload_bytes)
        self._metrics = RunnerMetrics()
        self._versions = library_versions()
        self._results = KeptResults(most_kept_bytes(self._settings, executor.most_runs))
        self._direct = DirectServer(self.run)
        self._ready = asyncio.create_task(self._start())
        self._sampler = asyncio.create_task(self._sample())

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over ``user_config`` without a restart (``LiveSettings``)."""
        limits = {**self._settings.limits.model_dump(), **user_config.get("limits", {})}
        self._live = LiveSettings.model_validate({**user_config, "limits": limits})
        logging.getLogger("graphside").setLevel(self._live.log_level)
        log.info("settings.live %s", self._live)

    async def run(self, call: RunCall) -> RunReply:
        """Run a task and reply with how it ended."""
        started = time.perf_counter()
        source, run_id = DatasetSource(**call["dataset"]), call["run_id"]
        try:
            spec = TaskSpec(run_id, call["task"], self._limits(call["limits"]), call["user"], call["owner"])
            outcome, cost = await self._executor.run(source, spec, call["engine"])
        except RuntimeFailure as failure:
            log.info("run.refused run_id=%s cause=%s%s", run_id, failure.type, self._remark)
            return refused(failure.to_wire())
        except DescriptionNeeded:
            return refused(None, needs_description=True)
        result, kept = outcome.result, None
        if isinstance(result, LargeResult):
            try:
                kept = self._keep(run_id, call["user"], result)
            except Overloaded as failure:
                outcome.failure, outcome.kind = failure, None
        engine = self._executor.engine.name
        asyncio.get_running_loop().call_soon(self._metrics.run_ended, outcome.cause, engine, cost)
        log.info(
            "run.finished run_id=%s dataset_id=%s cause=%s "
            "queue_s=%.4f seat_s=%.4f run_s=%.4f encode_s=%.4f total_s=%.4f%s",
            run_id, source.dataset_id, outcome.cause, *phases(cost).values(),
            time.perf_counter() - started, self._remark,
        )  # fmt: skip
        return {
            "failure": None if outcome.failure is None else outcome.failure.to_wire(),
            "cost": cost,
            "versions": self._versions,
            "output": _output(outcome),
            "kind": outcome.kind,
            "labels_dropped": outcome.labels_dropped,
            "needs_description": False,
            "content": result if isinstance(result, bytes) else b"",
            "kept": kept,
        }

    async def slot(self) -> AsyncIterator[SlotOffer]:
        """Open a slot for direct calls, until the caller ends this call or its connection."""
        async with self._direct.slot() as (number, left):
            yield {"replica": self._replica_id, "address": self._direct.address, "slot": number}
            await left

    async def cancel(self, run_id: str) -> bool:
        """End a run, now or when it arrives. Return True if the run is here."""
        return self._executor.cancel(run_id)

    async def states(self) -> dict[str, str]:
        """Return the state of each run that is here now: ``queued`` or ``running``."""
        return dict(self._executor.states())

    async def fetch(self, run_id: str) -> AsyncIterator[bytes]:
        """Yield a kept result in chunks, once; nothing if it is not here, or not any more."""
        result: bytes | LargeResult = self._results.take(run_id) or b""
        for offset in range(0, len(result), CHUNK_BYTES):
            yield result[offset : offset + CHUNK_BYTES]

    async def drop(self, run_id: str) -> None:
        """Forget a kept result, because the ingress has opened its file."""
        self._results.take(run_id)

    async def parse(self, request: dict[str, Any], user: str) -> Fields:
        """Parse an upload in the store's incoming directory. Return ``{"object": {...}}`` or ``{"failure": {...}}``.

        ``user``: whose turn it takes.
        """
        try:
            return {"object": await self._uploads.parse(**request, user=user)}
        except RuntimeFailure as failure:
            return {"failure": failure.to_wire()}

    async def concatenate(self, object_ids: list[str], user: str) -> Fields:
        """Concatenate stored tables into a new one; as ``parse``."""
        try:
            return {"object": await self._uploads.concatenate(object_ids, user=user)}
        except RuntimeFailure as failure:
            return {"failure": failure.to_wire()}

    async def evict(self, dataset_id: str) -> None:
        """Forget a dataset that was deleted or changed."""
        await self._executor.evict(dataset_id)

    async def is_ready(self) -> bool:
        """Return True if runs can start now."""
        return self._ready.done() and not self._ready.cancelled() and self._ready.exception() is None

    async def ready(self) -> bool:
        """Return once runs can start."""
        await asyncio.shield(self._ready)
        return True

    def record_routing_stats(self) -> dict[str, Any]:
        """Return what the routers of other processes learn of this replica: the datasets that it holds."""
        return {"datasets": self._executor.cache.dataset_ids}

    async def check_health(self) -> None:
        """Raise ``RuntimeError`` if this replica cannot run tasks any more."""
        if self._ready.done() and not self._ready.cancelled() and (error := self._ready.exception()) is not None:
            raise RuntimeError("the template does not start") from error

    async def __del__(self) -> None:
        for task in (self._sampler, self._ready):
            task.cancel()
        self._direct.close()
        await self._executor.close()
        self._scratch.close()

    def _executor_settings(self) -> ExecutorSettings:
        return executor_settings(self._settings)

    def _make_engine(
        self, store: Store, walls: Walls, group: TaskGroup | None, executor: ExecutorSettings
    ) -> tuple[TemplateProcess, Engine, int]:
        """Return the template that processes are forked from, the engine, and the bytes that datasets may take.

        This is the one place in which runners of different engines differ.
        """
        template = TemplateProcess(walls, group, imports=self._settings.task_imports)
        seats = seat_settings(self._settings, self._scratch, executor.cache_bytes)
        engine = PandasEngine(store, template, seats, executor.cache_bytes)
        return template, engine, executor.cache_bytes

    async def _start(self) -> None:
        if self._settings.direct_calls:
            await self._start_direct()
        await self._executor.start()
        await self._template.ready()

    async def _start_direct(self) -> None:
        try:
            await self._direct.start()
        except OSError:  # then runs go by Serve
            log.exception("direct.not_started")

    async def _sample(self) -> None:
        while True:
            self._metrics.sample(self._executor)
            await asyncio.sleep(METRICS_INTERVAL_S)

    def _limits(self, asked: dict[str, float]) -> Limits:
        """Return the limits that the request names, and the defaults for the others, within what this machine has.

        Raises ``LimitTooHigh``.
        """
        most = self._maximum_memory
        wanted = asked.get("memory_bytes", 0)
        if wanted > most:
            text = f"memory_bytes is {wanted}, but a run on this server may use at most {most} bytes"
            raise LimitTooHigh(text, limit_name="memory_bytes", limit=most, observed=wanted)
        cores = self._settings.maximum.cpus or len(os.sched_getaffinity(0))
        if (wanted := asked.get("cpus", 0)) > cores:
            text = f"cpus is {wanted}, but a run on this server may use at most {cores} processors"
            raise LimitTooHigh(text, limit_name="cpus", limit=cores, observed=wanted)
        limits = {**self._live.limits.model_dump(), **asked}
        limits["memory_bytes"] = min(limits["memory_bytes"], most)
        limits["threads"] = limits["threads"] or self._usual_threads
        limits["cpus"] = min(limits["cpus"], cores)
        return Limits(**limits)

    def _keep(self, run_id: str, user: str, result: LargeResult) -> KeptResult:
        """Keep a result for the ingress. Raise ``Overloaded``."""
        self._results.keep(run_id, user, result)
        return {"replica": self._replica_id, "length": len(result), "location": result.location}


def _output(outcome: RunOutcome) -> RunOutput | None:
    if outcome.failure is None and not outcome.stdout and not outcome.stderr:
        return None
    return {
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "stdout_truncated": outcome.stdout_truncated,
        "stderr_truncated": outcome.stderr_truncated,
    }


def standing_walls(isolation: Isolation) -> Walls:
    """Return the walls of this replica's runs. Raise ``WallMissing`` if one that ``isolation`` requires is missing."""
    walls, line, why_not_rewound = find_walls(isolation, template_environment())
    (log.warning if remark(isolation) else log.info)(line)
    log.info("rewinding %s", f"not possible: {why_not_rewound}" if why_not_rewound else f"possible: {walls.rewind}")
    return walls


def standing_group(limits: GroupLimits) -> TaskGroup:
    """Make the control group of this replica's runs. Raise ``NotDelegated`` or ``OSError`` if that fails."""
    base = given_group()
    sweep(base)
    group = open_group(base, divide(base), limits)
    log.info(
        "group.made path=%s controllers=%s memory_bytes=%d pids=%d",
        group.path, ",".join(group.controllers), group.limits.memory_bytes, group.limits.pids,
    )  # fmt: skip
    return group
