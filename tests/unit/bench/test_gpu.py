"""The benchmark of the GPU engine, over the twin of a device: all but its numbers."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from graphistry.pygraphistry import bind

import bench.gpu
from bench.gpu_tasks import ENDLESS, TASKS, edges
from tests.gpu import twin
from tests.unit.docs.markdown import ROOT
from tests.waiting import WITHIN_S


class BarePandas:
    """Takes the place of the bare process with cuDF."""

    loaded: dict[str, Any] = {}

    def __init__(self, file: Path) -> None:
        with pa.memory_map(str(file)) as source:
            self._frame = pa.ipc.open_file(source).read_all().to_pandas()

    def run(self, source: str) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(source, names)
        began = time.perf_counter()
        result = names["task"](bind().edges(self._frame.copy(deep=False), "s", "d"))
        return {"run_ms": 1000 * (time.perf_counter() - began), "result": result}

    def close(self) -> None:
        pass


@pytest.mark.anyio
async def test_it_measures_each_task_and_finds_the_results_of_all_three_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.gpu, "BareCudf", BarePandas)
    monkeypatch.setattr(bench.gpu, "FRAMES", str(Path(twin.__file__)))
    monkeypatch.setattr(bench.gpu, "ENDLESS", {"computing": ENDLESS["computing"]})
    options = argparse.Namespace(rows=2_000, rounds=1, without_pandas=False)
    driver: Any = twin.HostDriver(total_bytes=1 << 40)
    answer = await bench.gpu.measure(driver, tmp_path, options)
    assert answer["loading"]["table"]["gb_per_s"] > 0 < answer["loading"]["image"]["gb_per_s"]
    assert answer["attaching"]["attach_and_rebuild_ms"] > 0
    assert {name: part["same_result"] for name, part in answer["tasks"].items()} == dict.fromkeys(TASKS, True)
    assert answer["deadlines"]["computing"]["cause"] == "TaskTimeout"
    assert answer["deadlines"]["computing"]["reclaimed"]


@pytest.mark.soak
def test_without_a_device_it_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu"], capture_output=True, text=True, cwd=ROOT, timeout=WITHIN_S
    )
    if done.returncode == 0:
        pytest.skip("there is a GPU here")
    assert "no device to measure" in json.loads(done.stdout)["error"]


def test_its_data_have_five_columns() -> None:
    assert edges(1_000).column_names == ["s", "d", "w", "t", "k"]
