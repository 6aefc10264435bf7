"""``python -m bench.gpu``: measure the GPU engine on a machine with a GPU. Prints JSON.

The dataset has 20 million edges and five columns. Measured are: loading it from its stored table and from an image;
giving it to a seat; four tasks in walled seats, in turn with the same text in a bare process with cuDF and on the
pandas engine; and runs that only a deadline ends. Then the probe (``tools/gpu/probe.py``) measures copies, formats and
kills, which are the upper bounds.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.client import BadAnswer
from bench.gpu_tasks import ENDLESS, TASKS, TRIVIAL, edges
from bench.sandboxes import json_run, store_table
from bench.servers import ROOT
from runtime.datasets.store.local import LocalStore
from runtime.engines.base import DatasetSource, Engine
from runtime.engines.cudf import CudfEngine
from runtime.engines.device.budget import DeviceSettings
from runtime.engines.device.driver import DriverFailed
from runtime.engines.device.images import Images
from runtime.engines.device.nvidia import CudaDriver
from runtime.engines.pandas import PandasEngine
from runtime.errors import RuntimeFailure
from runtime.executor import Executor, ExecutorSettings
from runtime.run_report import RunCost
from runtime.sandbox.host.outcome import RunOutcome
from runtime.sandbox.host.scratch import ScratchRoot
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.template import TemplateProcess
from runtime.sandbox.walls.enclosure import Walls
from runtime.sandbox.walls.isolation import choose_walls
from runtime.sandbox.walls.probe import examine
from runtime.task import MIB

FRAMES: Final = "runtime.sandbox.guest.device.cudf_frames"
SEAT_BYTES: Final = 12 * 1024 * MIB
LIMITS: Final = {"timeout_s": 600, "cpu_s": 600, "memory_bytes": 24 * 1024 * MIB}
SOON_S: Final = 60.0

Build = Callable[[LocalStore, TemplateProcess, SeatSettings], Engine]
"""Makes an engine from a store, its own template and settings."""

_SLACK_BYTES: Final = 64 * MIB


class BareCudf:
    """A warm process without walls that has the same frame: ``bench.apps.bare_cudf``."""

    def __init__(self, file: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.apps.bare_cudf", str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        self.loaded = self._answer()

    def run(self, source: str) -> dict[str, Any]:
        """Run a task. Return ``run_ms`` and ``result``. Raises ``BadAnswer``."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(source) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BadAnswer("the bare process ended; what it said is above")
        told: dict[str, Any] = json.loads(line)
        return told


class Bench:
    """Both executors over one store, and the device."""

    def __init__(self, driver: CudaDriver, cudf: Executor, pandas: Executor, source: DatasetSource) -> None:
        self._driver = driver
        self._cudf = cudf
        self._pandas = pandas
        self._source = source

    async def loading(self, images: Path, rounds: int) -> dict[str, Any]:
        """Measure loading by a loader that was ready.

        Return GB/s of bytes on the device: from the stored table, and from its image.
        """
        answer: dict[str, Any] = {}
        for kind in ("table", "image"):
            taken = []
            for _ in range(rounds):
                if kind == "table":
                    for image in images.glob("copies/*"):
                        image.unlink()
                taken.append(await self._load(images))
            byte_count, seconds = taken[0][0], min(load_s for _, load_s in taken)
            answer[kind] = {"ms": _ms(seconds), "gb_per_s": float(f"{byte_count / seconds / 1e9:.3g}")}
        return {"device_bytes": byte_count, **answer}

    async def _load(self, images: Path) -> tuple[int, float]:
        """Load the dataset, wait for its image and close it. Return the bytes on the device and the seconds."""
        engine = self._engine
        await self._until(lambda: bool(engine.loaders.pids), "no loader was ready")
        dataset = await engine.load(self._source, _no_room)
        try:
            await self._until(lambda: any(images.glob("copies/*")), "there was no image")
            return dataset.charge_bytes, dataset.load_s
        finally:
            await dataset.close()

    async def attaching(self, rounds: int) -> dict[str, Any]:
        """Measure the first run, which loads, and further runs, which take a waiting seat."""
        began = time.perf_counter()
        await self._run(self._cudf, TRIVIAL)
        first_ms = _ms(time.perf_counter() - began)
        taken = []
        for _ in range(rounds):
            await self._seat_waits()
            began = time.perf_counter()
            _, cost = await self._run(self._cudf, TRIVIAL)
            taken.append((cost["seat_s"], time.perf_counter() - began))
        return {
            "first_run_ms": first_ms,
            "attach_and_rebuild_ms": _ms(statistics.median(seat for seat, _ in taken)),
            "whole_run_ms": _ms(statistics.median(whole for _, whole in taken)),
        }

    async def task(self, name: str, bare: BareCudf, rounds: int, *, with_pandas: bool) -> dict[str, Any]:
        """Measure a task in a seat and in the bare process in turn.

        The first round of both does not count. pandas runs the task once.
        """
        seats, alone, results = [], [], []
        for number in range(rounds + 1):
            await self._seat_waits()
            outcome, cost = await self._run(self._cudf, TASKS[name])
            beside = await asyncio.to_thread(bare.run, TASKS[name])
            results += [_result(outcome), beside["result"]]
            if number > 0:
                seats.append(1000 * cost["run_s"])
                alone.append(float(beside["run_ms"]))
        answer: dict[str, Any] = {
            "seat_ms": _ms(statistics.median(seats) / 1000),
            "bare_ms": _ms(statistics.median(alone) / 1000),
            "over_bare": round(statistics.median(own / other for own, other in zip(seats, alone, strict=True)), 3),
        }
        if with_pandas:
            outcome, cost = await self._run(self._pandas, TASKS[name])
            results.append(_result(outcome))
            answer["pandas_ms"] = _ms(cost["run_s"])
            answer["pandas_over_seat"] = round(1000 * cost["run_s"] / statistics.median(seats), 1)
        answer["same_result"] = all(_near(result, results[0]) for result in results)
        return answer

    async def deadline(self, name: str) -> dict[str, Any]:
        """Measure a run that only its deadline ends.

        Return how late it ended, when its memory was free again, and whether the next run was right.
        """
        await self._seat_waits()
        free = self._driver.capacity().free_bytes
        timeout_s = 2.0
        began = time.perf_counter()
        run = json_run(ENDLESS[name], timeout_s=timeout_s, cpu_s=60)
        outcome, _ = await self._cudf.run(self._source, run, None)
        ended = time.perf_counter()
        await self._seat_waits()
        reclaimed = await _until(lambda: self._driver.capacity().free_bytes >= free - _SLACK_BYTES)
        settled = time.perf_counter()
        await self._run(self._cudf, TASKS["group-by"])
        return {
            "cause": outcome.cause,
            "late_ms": _ms(ended - began - timeout_s),
            "memory_and_next_seat_ms": _ms(settled - ended),
            "reclaimed": reclaimed,
        }

    async def _run(self, executor: Executor, code: str) -> tuple[RunOutcome, RunCost]:
        outcome, cost = await executor.run(self._source, json_run(code, **LIMITS), None)
        if outcome.failure is not None:
            raise BadAnswer(f"a run of {executor.engine.name} ended with {outcome.failure}")
        return outcome, cost

    async def _seat_waits(self) -> None:
        await self._until(lambda: bool(self._engine.seats.pids), "no seat was ready")

    async def _until(self, condition: Callable[[], bool], trouble: str) -> None:
        if not await _until(condition):
            raise BadAnswer(f"{trouble} within {SOON_S:g} s")

    @property
    def _engine(self) -> CudfEngine:
        engine = self._cudf.engine
        assert isinstance(engine, CudfEngine)
        return engine


async def measure(driver: CudaDriver, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything but the probe's questions. A part that fails says so and does not hide the others."""
    store = LocalStore(folder)
    store.prepare()
    table = edges(options.rows)
    source = store_table(store, table)
    answer: dict[str, Any] = {"rows": options.rows, "columns": table.num_columns, "stored_bytes": source.byte_count}
    del table
    walls = choose_walls("minimal", examine(), is_root=os.geteuid() == 0)
    device = DeviceSettings(cache_bytes=None, seat_bytes=SEAT_BYTES, seats=2, spares=1)
    images = folder / "images"
    on_device = partial(
        CudfEngine, device=device, driver=driver, images=Images(images, 2 * source.byte_count + 64 * MIB)
    )
    async with (
        _executor(folder, store, walls, on_device, FRAMES) as cudf,
        _executor(folder, store, walls, partial(PandasEngine, dataset_bytes=1 << 40), None) as pandas,
    ):
        bench = Bench(driver, cudf, pandas, source)
        await _note(answer, "loading", bench.loading(images, options.rounds))
        await _note(answer, "attaching", bench.attaching(options.rounds))
        bare = await asyncio.to_thread(BareCudf, store.object_path(source.tables["edges"]))
        try:
            answer["bare_load"] = bare.loaded
            answer["tasks"] = {}
            for name in TASKS:
                part = bench.task(name, bare, options.rounds, with_pandas=not options.without_pandas)
                await _note(answer["tasks"], name, part)
        finally:
            bare.close()
        answer["deadlines"] = {}
        for name in ENDLESS:
            await _note(answer["deadlines"], name, bench.deadline(name))
    return answer


@asynccontextmanager
async def _executor(
    folder: Path, store: LocalStore, walls: Walls, build: Build, device: str | None
) -> AsyncIterator[Executor]:
    scratch_folder = folder / ("scratch-cpu" if device is None else "scratch-gpu")
    scratch_folder.mkdir()
    scratch = ScratchRoot(scratch_folder, for_other_users=walls.throwaway_users)
    template = TemplateProcess(walls, None, device)
    settings = SeatSettings(
        scratch=scratch, spares=1, output_bytes=MIB, result_bytes=64 * MIB, file_bytes=64 * MIB, open_files=1024,
        threads=128,
    )  # fmt: skip
    engine = build(store, template, settings)
    executor = Executor(engine, ExecutorSettings(2, 10, 1 << 40))
    try:
        await executor.start()
        await template.ready()
        yield executor
    finally:
        await executor.close()
        scratch.close()


async def _note(answer: dict[str, Any], name: str, part: Awaitable[dict[str, Any]]) -> None:
    try:
        answer[name] = await part
    except (BadAnswer, RuntimeFailure, OSError, TimeoutError, ValueError) as error:
        answer[name] = {"error": f"{type(error).__name__}: {error}"}
    print(f"{name}: {json.dumps(answer[name])}", file=sys.stderr, flush=True)


async def _no_room() -> bool:
    return False


async def _until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True


def probed(folder: Path) -> dict[str, Any]:
    """Return the probe's answers about copies, formats and kills."""
    out = folder / "probe.json"
    command = [sys.executable, str(ROOT / "tools/gpu/probe.py"), "--out", str(out), "copies", "formats", "kills"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    found: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {"error": "the probe said nothing"}
    return found


def _result(outcome: RunOutcome) -> Any:
    """Return the value that a task returned."""
    return json.loads(bytes(memoryview(outcome.result)))


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)


def _near(one: Any, other: Any) -> bool:
    """Return whether two results are close enough, because a device adds up sums in another order."""
    if isinstance(one, list):
        return isinstance(other, list) and all(map(_near, one, other))
    return abs(float(one) - float(other)) <= 1e-6 * abs(float(other))


def main() -> int:
    """Return the exit status: 1 if there is no device or everything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-pandas", action="store_true")
    options = parser.parse_args()
    try:
        driver = CudaDriver()
    except DriverFailed as error:
        print(json.dumps({"error": f"there is no device to measure: {error}"}))
        return 1
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=False)
    answer: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit.stdout.strip()}
    with tempfile.TemporaryDirectory(prefix="graphside-bench-gpu-") as folder:
        try:
            answer |= asyncio.run(measure(driver, Path(folder), options))
        except (BadAnswer, RuntimeFailure, OSError) as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        answer["probe"] = probed(Path(folder))
    with suppress(KeyError, TypeError, ZeroDivisionError):
        ceiling = answer["probe"]["copies"]["to_device_pinned"]["gb_per_s"]
        answer["image_over_pinned_copy"] = round(answer["loading"]["image"]["gb_per_s"] / ceiling, 3)
    print(json.dumps(answer, indent=1))
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
