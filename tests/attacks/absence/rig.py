"""A sandbox without Ray whose walls can be left out one by one, and the things that probes try to reach."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psutil
import pyarrow as pa

from runtime.datasets.store.local import LocalStore
from runtime.engines.base import DatasetSource
from runtime.engines.pandas import PandasEngine
from runtime.errors import RuntimeFailure
from runtime.executor import Executor, ExecutorSettings
from runtime.sandbox.host.environment import template_environment
from runtime.sandbox.host.outcome import RunOutcome
from runtime.sandbox.host.scratch import ScratchRoot
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.template import TemplateProcess
from runtime.sandbox.walls.enclosure import Walls
from runtime.sandbox.walls.isolation import choose_walls
from runtime.sandbox.walls.trial import Found
from runtime.uploads import Uploads
from tests.attacks.absence.probes import Probe
from tests.attacks.listeners import Listener
from tests.attacks.modes import ROOT
from tests.unit.sandbox.conftest import Rig
from tests.waiting import WITHIN_S

ROWS = 10_000_000
_NUMBERS = pa.array(np.zeros(ROWS, dtype=np.int8))
EDGES = pa.table({"s": _NUMBERS, "d": _NUMBERS, "w": pa.array(np.zeros(ROWS))})
"""80 MB of weights: what a task that changes them all takes as memory of its own."""


class WeakTemplate(TemplateProcess):
    """A template whose holders read in ``told`` what to leave out. ``environment`` replaces the scrubbed one."""

    def __init__(self, walls: Walls, python: str, told: Path, environment: dict[str, str]) -> None:
        super().__init__(walls)
        self._python = python
        self._told = told
        self._environment = environment

    async def _exec(self, control: Any) -> Any:
        arguments = (*self._arguments(control), str(self._told))
        command = (self._python, "-P", "-s", "-m", "tests.attacks.absence.weakened", *arguments)
        environment = {**self._environment, "PYTHONPATH": str(ROOT)}
        return await asyncio.create_subprocess_exec(
            *command, pass_fds=(control.fileno(),), env=environment, cwd="/", stdin=asyncio.subprocess.DEVNULL
        )


@dataclass
class WeakRig:
    """One template and its executor. ``run`` tries a probe with walls left out."""

    rig: Rig
    walls: Walls
    template: WeakTemplate
    told: Path
    object_id: str
    tokens: dict[str, str]

    def without(self, walls: Walls, absent: tuple[str, ...]) -> DatasetSource:
        """A dataset whose holder will be walled by ``walls`` (namespaces are the template's), less ``absent``."""
        self.told.write_text(json.dumps({"walls": asdict(walls), "absent": absent}))
        self.template.walls = replace(walls, namespaces=self.template.walls.namespaces)
        return replace(self._source(), dataset_id=uuid4().hex)

    def outcomes(self, source: DatasetSource, probe: Probe) -> list[RunOutcome]:
        """Of each of its runs. Raises ``RuntimeFailure`` where no run starts."""
        return [self.rig.run(source, self._filled(source, probe), **probe.limits) for _ in range(probe.runs)]

    def holds(self, source: DatasetSource, probe: Probe) -> bool:
        """Whether the probe fails as it should."""
        try:
            return probe.holds(self.outcomes(source, probe))
        except RuntimeFailure:
            return False

    def forget(self, source: DatasetSource) -> None:
        """End its holder."""
        self.rig.wait(self.rig.executor.evict(source.dataset_id))

    def _source(self) -> DatasetSource:
        payload = {
            "name": "test", "metadata": {}, "node_encodings": {"bindings": {}},
            "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
        }  # fmt: skip
        return DatasetSource(uuid4().hex, {"edges": self.object_id}, 0, payload)

    def _filled(self, source: DatasetSource, probe: Probe) -> str:
        code = probe.code
        if "@@HOLDERS@@" in code:
            self.rig.run(source, "def task(g): pass")  # so that there is a holder
            pid = self.rig.template.pid
            assert pid is not None
            code = code.replace("@@HOLDERS@@", repr([one.pid for one in psutil.Process(pid).children()]))
        for token, value in self.tokens.items():
            code = code.replace(token, value)
        return code


def standing(python: str) -> Walls:
    """What stands here where that interpreter runs tasks."""
    answer = subprocess.run([python, "-m", "runtime.sandbox.walls.probe"], cwd=ROOT, capture_output=True, check=True)
    found = {name: Found(**told) for name, told in json.loads(answer.stdout).items()}
    return choose_walls("minimal", found, is_root=os.geteuid() == 0)


@contextmanager
def weak_rig(
    folder: Path, python: str, walls: Walls, *, environment: dict[str, str] | None = None, output_bytes: int = 2**20
) -> Iterator[WeakRig]:
    """``folder`` may be passed by every user."""
    folder.mkdir(mode=0o755)
    told = folder / "told.json"
    told.write_text(json.dumps({"walls": asdict(walls), "absent": []}))
    store = LocalStore(folder)
    store.prepare()
    home = folder / "scratch"
    home.mkdir(exist_ok=True)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    template = WeakTemplate(walls, python, told, environment or template_environment())
    listeners = Listener.all_kinds()
    scratch = ScratchRoot(home, for_other_users=walls.throwaway_users)

    async def build() -> Rig:
        settings = SeatSettings(
            scratch=scratch, spares=0, output_bytes=output_bytes, result_bytes=2**20, file_bytes=64 * 2**20,
            open_files=256, threads=64,
        )  # fmt: skip
        executor = Executor(PandasEngine(store, template, settings, 2**40), ExecutorSettings(4, 100, 2**40))
        await executor.start()
        await template.ready()
        return Rig(folder, loop, thread, executor, template, store, Uploads(store, template, 2**20), scratch.path)

    try:
        rig = asyncio.run_coroutine_threadsafe(build(), loop).result(WITHIN_S)
        object_id = rig.dataset(EDGES).tables["edges"]
        yield WeakRig(rig, walls, template, told, object_id, _tokens(folder, scratch, listeners))
        asyncio.run_coroutine_threadsafe(rig.executor.close(), loop).result(WITHIN_S)
        scratch.close()
    finally:
        for listener in listeners:
            listener.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WITHIN_S)
        loop.close()


def _tokens(folder: Path, scratch: ScratchRoot, listeners: list[Listener]) -> dict[str, str]:
    tcp, path, abstract, _ = listeners
    secret, outside = folder / "secret", folder.with_name(f"{folder.name}-outside")  # a store closes its folder
    secret.write_text("secret")
    secret.chmod(0o600)
    outside.mkdir()
    outside.chmod(0o777)
    return {
        "@@SECRET@@": str(secret), "@@OUTSIDE@@": str(outside), "@@SCRATCH@@": str(scratch.path),
        "@@PORT@@": str(tcp.address[1]), "@@ABSTRACT@@": str(abstract.address)[1:], "@@PATH@@": str(path.address),
        "@@UID@@": str(os.geteuid()), "@@NICE@@": str(os.getpriority(os.PRIO_PROCESS, 0)),
    }  # fmt: skip
