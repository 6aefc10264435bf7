"""The sandbox without Ray and HTTP: executors that differ in their walls, over the same stored datasets."""

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pyarrow as pa

from bench.client import BadAnswer
from deployments.settings import LimitSettings
from runtime.datasets.store.local import LocalStore
from runtime.datasets.tables import canonical, write_canonical
from runtime.engines.base import DatasetSource
from runtime.engines.pandas import PandasEngine
from runtime.executor import Executor, ExecutorSettings
from runtime.sandbox.host.scratch import ScratchRoot
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.template import TemplateProcess
from runtime.sandbox.walls.enclosure import Walls
from runtime.task import MIB, Limits, Task, TaskSpec

_PAYLOAD = {
    "name": "bench",
    "metadata": {},
    "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
    "node_encodings": {"bindings": {}},
}


def json_run(code: str, **limits: float) -> TaskSpec:
    """Return a run whose result is JSON, under the default limits with these changes."""
    made = Limits(**(LimitSettings().model_dump() | {"threads": 64} | limits))
    task: Task = {"source": code, "output_type": "json", "format": "json", "accepts_text": True}
    return TaskSpec(uuid4().hex, task, made, user="bench")


@dataclass(slots=True)
class Sandbox:
    """One template behind ``walls`` and its executor, on the running loop. ``spares`` seats wait for each dataset."""

    name: str
    template: TemplateProcess
    executor: Executor
    scratch: ScratchRoot

    @classmethod
    async def open(
        cls,
        name: str,
        walls: Walls,
        folder: Path,
        store: LocalStore,
        spares: int,
        *,
        cache_bytes: int = 1 << 40,
        **settings: Any,
    ) -> "Sandbox":
        """Start the sandbox. Its scratch directories are made in ``folder``. ``settings``: other ``SeatSettings``."""
        template = TemplateProcess(walls)
        scratch = ScratchRoot(folder, for_other_users=walls.throwaway_users)
        all_settings = {"reused": 8, **settings}
        of_seats = SeatSettings(
            scratch=scratch, spares=spares, output_bytes=MIB, result_bytes=512 * MIB, file_bytes=512 * MIB,
            open_files=1024, threads=64, **all_settings,
        )  # fmt: skip
        engine = PandasEngine(store, template, of_seats, cache_bytes)
        executor = Executor(engine, ExecutorSettings(4, 200, cache_bytes))
        await executor.start()
        await template.ready()
        return cls(name, template, executor, scratch)

    async def call(self, source: DatasetSource, code: str, user: str = "bench") -> None:
        """Run a task to its end. Raises ``BadAnswer``."""
        outcome, _ = await self.executor.run(source, replace(json_run(code), user=user), None)
        if outcome.failure is not None:
            raise BadAnswer(f"a run behind {self.name} ended with {outcome.failure}")

    def own(self, source: DatasetSource) -> DatasetSource:
        """Return the same tables as a dataset of this sandbox alone."""
        return replace(source, dataset_id=uuid4().hex)

    def cpu_s(self) -> float:
        """Return the CPU seconds that this process and all below its template have used, those that ended included."""
        pid = self.template.pid
        below = psutil.Process(pid).children(recursive=True) if pid is not None else []
        used = sum(os.times()[:2])
        for one in below:
            with suppress(psutil.NoSuchProcess):
                used += sum(one.cpu_times()[:4])
        return used

    async def close(self) -> None:
        await self.executor.close()
        self.scratch.close()


def store_table(store: LocalStore, table: pa.Table) -> DatasetSource:
    """Store a table. Return a dataset whose edges it is."""
    path = store.incoming()
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_canonical(canonical(table), fd)
        byte_count = os.fstat(fd).st_size
    finally:
        os.close(fd)
    object_id = uuid4().hex
    store.commit(path, object_id)
    return DatasetSource(uuid4().hex, {"edges": object_id}, byte_count, dict(_PAYLOAD))
