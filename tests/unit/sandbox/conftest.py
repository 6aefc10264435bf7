"""A real executor without Ray: a template, holders and seats that really are forked and killed."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import uuid4

import orjson
import pyarrow as pa
import pytest

from runtime.datasets.store.local import LocalStore
from runtime.datasets.tables import canonical, write_canonical
from runtime.engines.base import DatasetSource, Engine
from runtime.engines.pandas import PandasEngine
from runtime.executor import Executor, ExecutorSettings
from runtime.run_report import RunCost
from runtime.sandbox.host.outcome import RunOutcome
from runtime.sandbox.host.scratch import ScratchRoot
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.template import TemplateProcess
from runtime.sandbox.walls.cgroup import TaskGroup
from runtime.sandbox.walls.rewind import RewindMode
from runtime.task import MIB
from runtime.uploads import Uploads
from tests.tasks import spec
from tests.unit.standing_walls import walls
from tests.waiting import WITHIN_S

T = TypeVar("T")
EDGES = pa.table({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1.0, 2.0, 3.0]})
PAYLOAD = {
    "name": "test",
    "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
    "node_encodings": {"bindings": {}},
    "metadata": {},
}


@dataclass
class Rig:
    """An executor on an event loop of its own thread; tests call it as if it were plain code."""

    root: Path
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    executor: Executor
    template: TemplateProcess
    store: LocalStore
    uploads: Uploads
    scratch: Path

    def wait(self, coroutine: Coroutine[Any, Any, T], timeout_s: float = WITHIN_S) -> T:
        """Run a coroutine on the rig's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout_s)

    def dataset(self, edges: pa.Table = EDGES) -> DatasetSource:
        """A stored dataset."""
        path = self.store.incoming()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        write_canonical(canonical(edges), fd)
        byte_count = os.fstat(fd).st_size
        os.close(fd)
        object_id = uuid4().hex
        self.store.commit(path, object_id)
        return DatasetSource(uuid4().hex, {"edges": object_id}, byte_count, dict(PAYLOAD))

    def start(self, source: DatasetSource, code: str, **fields: Any) -> Coroutine[Any, Any, tuple[RunOutcome, RunCost]]:
        """The coroutine of a run; ``fields`` are those of ``tests.tasks.spec``."""
        return self.executor.run(source, spec(code, **fields), None)

    def begin(self, source: DatasetSource, code: str, **fields: Any) -> "Future[tuple[RunOutcome, RunCost]]":
        """Begin a run, and return while it goes on."""
        return asyncio.run_coroutine_threadsafe(self.start(source, code, **fields), self.loop)

    def run(self, source: DatasetSource, code: str, **fields: Any) -> RunOutcome:
        """The outcome of a run."""
        return self.wait(self.start(source, code, **fields))[0]

    def close(self) -> None:
        """End all that it has; it may have been ended already."""
        if self.loop.is_closed():
            return
        self.wait(self.executor.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(WITHIN_S)
        self.loop.close()

    def scratch_dirs(self) -> set[str]:
        """Scratch directories that exist now; spare seats have one each."""
        return {path.name for path in self.scratch.iterdir()}


def answer(outcome: Any) -> Any:
    """Return the JSON result of a run that went well."""
    assert outcome.failure is None, outcome.failure and outcome.failure.to_wire()
    return orjson.loads(bytes(outcome.result))


@pytest.fixture(scope="session")
def make_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Rig]]:
    """Makes rigs: ``make_rig(seats=2, cache_bytes=...)``. ``rewind``: a mode that is not the machine's best."""
    closers: list[Callable[[], None]] = []

    def make(
        *,
        seats: int = 4,
        extra_seats: int = 0,
        queue: int = 200,
        cache_bytes: int = 1 << 30,
        spares: int = 2,
        reused: int = 0,
        rewound: int = 0,
        rewound_checked: bool = False,
        rewound_between: Literal["same_user", "any_user"] = "same_user",
        rewind: RewindMode | None = None,
        group: TaskGroup | None = None,
        template_type: Callable[..., TemplateProcess] = TemplateProcess,
        build_engine: Callable[[LocalStore, TemplateProcess, SeatSettings, int], Engine] = PandasEngine,
        device: str | None = None,
    ) -> Rig:
        root = tmp_path_factory.mktemp("rig")
        store = LocalStore(root)
        store.prepare()
        (root / "scratch").mkdir(exist_ok=True)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()

        async def build() -> Rig:
            standing = walls() if rewind is None else replace(walls(), rewind=rewind)
            template = template_type(standing, group, device)
            scratch = ScratchRoot(root / "scratch", for_other_users=walls().throwaway_users)
            settings = SeatSettings(
                scratch=scratch,
                spares=spares, output_bytes=MIB, result_bytes=64 * MIB, file_bytes=64 * MIB, open_files=256, threads=64,
                reused=reused, rewound=rewound, rewound_between=rewound_between, rewound_checked=rewound_checked,
            )  # fmt: skip
            engine = build_engine(store, template, settings, cache_bytes)
            executor = Executor(engine, ExecutorSettings(seats, queue, cache_bytes, 1, extra_seats), group)
            await executor.start()
            await template.ready()
            return Rig(root, loop, thread, executor, template, store, Uploads(store, template, 64 * MIB), scratch.path)

        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("GRAPHSIDE_CANARY", "secret")  # what a server has when it starts its template
            rig = asyncio.run_coroutine_threadsafe(build(), loop).result(WITHIN_S)

        closers.append(rig.close)
        return rig

    yield make
    for close in closers:
        close()


@pytest.fixture(scope="session")
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """One rig for all tests that only run tasks."""
    return make_rig()


@pytest.fixture(scope="session")
def source(rig: Rig) -> DatasetSource:
    """A dataset with three edges."""
    return rig.dataset()
