"""What only a GPU can show: cuDF in tasks, read-only blocks, limits of device memory, kills, memory that comes back."""

import time

import numpy as np
import pyarrow as pa
import pytest

from tests.gpu.conftest import GIB, MIB, GpuRig
from tests.unit.sandbox.conftest import answer
from tests.waiting import eventually

pytestmark = pytest.mark.gpu

COUNT = "def task(g): return len(g._edges)"
DRIVER = """
import ctypes
cuda = ctypes.CDLL('libcuda.so.1')
def base_address(g):
    return g._edges['w'].data.ptr if hasattr(g._edges['w'], 'data') else g._edges['w']._column.data.ptr
"""


def edges(count: int) -> pa.Table:
    random = np.random.default_rng(1)
    columns = {
        "s": random.integers(0, count // 10 + 2, count), "d": random.integers(0, count // 10 + 2, count),
        "w": random.random(count), "kind": random.choice(["a", "b", "c"], count),
    }  # fmt: skip
    return pa.table({name: pa.array(values) for name, values in columns.items()})


class TestTasks:
    def test_frames_are_cudf_s(self, gpu: GpuRig) -> None:
        code = "def task(g): return [type(g._edges).__module__.split('.')[0], g._edges['w'].to_arrow().to_pylist()]"
        assert answer(gpu.rig.run(gpu.rig.dataset(), code)) == ["cudf", [1.0, 2.0, 3.0]]

    @pytest.mark.parametrize(
        "code",
        [
            "def task(g): return g._edges.groupby('kind')['w'].sum().to_arrow().to_pylist()",
            "def task(g): return len(g._edges.merge(g._edges, left_on='d', right_on='s'))",
            "def task(g): return len(g.materialize_nodes()._nodes)",
            "def task(g): return len(g.get_degrees()._nodes)",
            "import cudf\ndef task(g):\n    seeds = cudf.DataFrame({'id': [1]})\n"
            "    return len(g.materialize_nodes().hop(seeds, hops=2)._edges)",
            "def task(g): return len(g.materialize_nodes().gfql('MATCH (a)-[e]->(b) RETURN a', engine='cudf')._nodes)",
        ],
        ids=["groupby", "join", "nodes", "degrees", "hop", "gfql"],
    )  # fmt: skip
    def test_what_tasks_do_runs_on_the_device(self, gpu: GpuRig, code: str) -> None:
        assert answer(gpu.rig.run(gpu.rig.dataset(edges(1000)), code))

    def test_json_is_what_pandas_would_give(self, gpu: GpuRig) -> None:
        outcome = gpu.rig.run(gpu.rig.dataset(), "def task(g): return g._edges", output_type="table")
        assert answer(outcome) == [{"s": s, "d": d, "w": float(w)} for s, d, w in ("ab1", "bc2", "cd3")]


class TestImages:
    def test_what_was_loaded_from_an_image_is_what_was_loaded_before(self, gpu: GpuRig) -> None:
        source = gpu.rig.dataset(edges(1_000_000))
        code = (
            "def task(g):\n"
            "    e = g._edges\n"
            "    kinds = e.groupby('kind').size().sort_index()\n"
            "    return [int(e['s'].sum()), float(e['w'].sum()), kinds.to_arrow().to_pylist()]"
        )
        first = answer(gpu.rig.run(source, code))
        eventually((gpu.images / "copies" / f"{source.tables['edges']}.image").exists)
        gpu.rig.wait(gpu.rig.executor.evict(source.dataset_id))
        assert answer(gpu.rig.run(source, code)) == first


class TestLimits:
    def test_past_its_limit_of_device_memory_a_run_is_told_so(self, gpu: GpuRig) -> None:
        code = "import cupy\ndef task(g): return len(cupy.zeros(3 << 30, 'u1'))"
        failure = gpu.rig.run(gpu.rig.dataset(), code).failure
        assert failure is not None
        assert (failure.type, failure.fields["limit"]) == ("TaskMemoryExceeded", 2 * GIB)

    def test_memory_that_goes_around_the_allocator_is_seen(self, gpu: GpuRig) -> None:
        code = (
            DRIVER
            + """
import time
def task(g):
    pointer = ctypes.c_uint64()
    assert cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(6 << 30)) == 0
    time.sleep(20)
"""
        )
        failure = gpu.rig.run(gpu.rig.dataset(), code, timeout_s=30).failure
        assert failure is not None and failure.type == "TaskMemoryExceeded"

    def test_a_kernel_that_never_ends_ends_at_the_deadline(self, gpu: GpuRig) -> None:
        source = gpu.rig.dataset()
        before = gpu.free_bytes
        code = """
import cupy
kernel = cupy.RawKernel('extern "C" __global__ void spin(volatile int* p) { while (*p == 0); }', 'spin')
def task(g):
    kernel((1,), (1,), (cupy.zeros(1, 'i4'),))
    cupy.cuda.runtime.deviceSynchronize()
"""
        began = time.monotonic()
        assert gpu.rig.run(source, code, timeout_s=2).cause == "TaskTimeout"
        assert time.monotonic() - began < 4
        assert answer(gpu.rig.run(source, COUNT)) == 3
        eventually(lambda: before - gpu.free_bytes < GIB)


class TestFaults:
    BAD = """
import cupy
kernel = cupy.RawKernel('extern "C" __global__ void bad(int* p) { *p = 1; }', 'bad')
def task(g):
    kernel((1,), (1,), (cupy.uintp(16),))
    cupy.cuda.runtime.deviceSynchronize()
"""

    def test_a_bad_address_ends_its_own_run_only(self, gpu: GpuRig) -> None:
        source = gpu.rig.dataset()
        assert gpu.rig.run(source, self.BAD).cause == "TaskCrashed"
        assert answer(gpu.rig.run(source, COUNT)) == 3

    def test_a_raw_write_does_not_reach_the_dataset(self, gpu: GpuRig) -> None:
        source = gpu.rig.dataset()
        code = (
            DRIVER
            + """
def task(g):
    import cupy
    code = cuda.cuMemsetD8_v2(ctypes.c_uint64(base_address(g)), 7, ctypes.c_size_t(8))
    cupy.cuda.runtime.deviceSynchronize()
    return code
"""
        )
        gpu.rig.run(source, code)
        assert answer(gpu.rig.run(source, "def task(g): return g._edges['w'].to_arrow().to_pylist()")) == [
            1.0,
            2.0,
            3.0,
        ]

    def test_a_mapping_cannot_be_made_writable_by_the_task(self, gpu: GpuRig) -> None:
        source = gpu.rig.dataset()
        code = (
            DRIVER
            + """
from cuda.bindings import driver
def task(g):
    address = base_address(g) // (2 << 20) * (2 << 20)
    access = driver.CUmemAccessDesc()
    access.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    access.location.id = 0
    access.flags = driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE
    return int(driver.cuMemSetAccess(address, 2 << 20, [access], 1)[0])
"""
        )
        assert answer(gpu.rig.run(source, code)) != 0, (
            "see docs/security.md, GPUs: what a raw call of the driver may do"
        )


class TestMemoryComesBack:
    @pytest.mark.parametrize("how", ["idle", "computing", "faulted"])
    def test_after_a_kill(self, gpu: GpuRig, how: str) -> None:
        source = gpu.rig.dataset(edges(100_000))
        assert answer(gpu.rig.run(source, COUNT)) == 100_000
        eventually(lambda: len(gpu.engine.seats.pids) == 2)
        before = gpu.free_bytes
        code = {
            "idle": "import time, cupy\ndef task(g):\n    kept = cupy.zeros(1 << 30, 'u1')\n    time.sleep(60)",
            "computing": "import cupy\ndef task(g):\n    kept = cupy.zeros(1 << 28, 'f4')\n    while True: kept += 1",
            "faulted": TestFaults.BAD,
        }[how]
        gpu.rig.run(source, code, timeout_s=1.5)
        assert answer(gpu.rig.run(source, COUNT)) == 100_000
        eventually(lambda: len(gpu.engine.seats.pids) == 2 and abs(before - gpu.free_bytes) < 256 * MIB)

    def test_after_a_hundred_runs(self, gpu: GpuRig) -> None:
        source = gpu.rig.dataset(edges(100_000))
        gpu.rig.run(source, COUNT)
        eventually(lambda: len(gpu.engine.seats.pids) == 2)
        before = gpu.free_bytes
        for _ in range(100):
            assert answer(gpu.rig.run(source, "def task(g): return int(g._edges['s'].max() > 0)")) == 1
        eventually(lambda: len(gpu.engine.seats.pids) == 2 and abs(before - gpu.free_bytes) < 256 * MIB)
