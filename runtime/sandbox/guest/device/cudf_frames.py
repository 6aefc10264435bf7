"""cuDF frames in blocks of an NVIDIA device's memory, for processes that run a task or load a dataset.

Importing this module loads the libraries and touches no device. The template imports it once, and its children make
contexts of their own.
"""

import os
import pickle
import platform
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import cudf
import cupy
import numpy as np
import pandas as pd
import pyarrow as pa
import rmm
from cuda.bindings import driver
from rmm.pylibrmm.device_buffer import copy_device_to_ptr

from runtime.errors import DatasetUnreadable, LimitFields, RuntimeFailure, TaskCrashed, TaskMemoryExceeded
from runtime.sandbox.device_frames import Packing
from runtime.task import CPU_ENGINE, send_with

_ALIGNMENT: Final = 256
"""Alignment of buffers in a block. RMM aligns its own buffers alike."""

_STAGE_BYTES: Final = 8 * 1024 * 1024
"""Pinned memory of each copier. Parts of a file pass through it to the device or back."""

_COPIERS: Final = 8
"""Threads that copy at the same time. One thread reads a file at a few GB/s; while it waits, others copy."""

_BROKEN: Final = re.compile(
    r"cudaErrorIllegalAddress|cudaErrorLaunchFailure|cudaErrorHardwareStackError|cudaErrorMisalignedAddress"
    r"|cudaErrorIllegalInstruction|cudaErrorInvalidPc|cudaErrorAssert|Fatal CUDA error|illegal memory access"
)
"""The driver's words once a context is unusable: every later call of the process fails with the same error."""

_Buffer = tuple[int, int] | bytes
"""A buffer of a frame: its offset and length in the block, or its content."""


def make() -> "CudfFrames":
    """Return the device, for ``device_frames.frames_of``."""
    return CudfFrames()


class CudfFrames:
    """Implements ``DeviceFrames``."""

    def __init__(self) -> None:
        self._statistics: Any = None
        self._limit_bytes = 0

    def begin(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        cupy.cuda.runtime.free(0)  # makes the context
        self._statistics = rmm.mr.StatisticsResourceAdaptor(rmm.mr.CudaAsyncMemoryResource())
        rmm.mr.set_current_device_resource(rmm.mr.LimitingResourceAdaptor(self._statistics, limit_bytes))

    def warm_up(self) -> None:
        _take_first_passes()

    @property
    def tag(self) -> str:
        """Versions of the libraries that determine a header, which is a pickle of the frame's description."""
        libraries = ", ".join(f"{library.__name__} {library.__version__}" for library in (cudf, pd, np))
        return f"{libraries}, Python {platform.python_version()}"

    def from_arrow(self, table: pa.Table) -> Any:
        try:
            return cudf.DataFrame.from_arrow(table)
        except (TypeError, NotImplementedError, pa.ArrowException) as error:
            text = f"cuDF cannot hold a column of this dataset ({str(error)[:300]}); {send_with(CPU_ENGINE)}"
            raise DatasetUnreadable(text) from error

    def pack(self, frame: Any) -> Packing:
        header, buffers = frame.device_serialize()
        layout: list[_Buffer] = []
        offset = 0
        for buffer in buffers:
            if isinstance(buffer, memoryview):  # cuDF keeps small buffers in host memory
                layout.append(bytes(buffer))
                continue
            layout.append((offset, buffer.nbytes))
            offset += -(-buffer.nbytes // _ALIGNMENT) * _ALIGNMENT
        byte_count = max(offset, _ALIGNMENT)
        return Packing(pickle.dumps((header, layout)), byte_count, partial(_fill, buffers, layout, byte_count))

    def attach(self, fd: int, byte_count: int, header: bytes) -> Any:
        # The loader of this dataset wrote the header, behind the same walls, so it is trusted as much as the block is.
        described, layout = pickle.loads(header)  # noqa: S301
        address = _map(fd, byte_count, write=False)
        views = [memoryview(one) if isinstance(one, bytes) else _View(address + one[0], one[1]) for one in layout]
        return cudf.DataFrame.device_deserialize(described, views)

    def copy_in(self, block_fd: int, byte_count: int, file_fd: int, offset: int) -> None:
        address = _map(block_fd, _whole_granules(byte_count), write=True)
        runtime = cupy.cuda.runtime

        def step(stage: _Stage, start: int, length: int) -> None:
            if os.preadv(file_fd, [stage.memory[:length]], offset + start) != length:
                raise OSError("the file is shorter than the block")
            runtime.memcpyAsync(address + start, stage.address, length, runtime.memcpyHostToDevice, stage.stream.ptr)
            stage.stream.synchronize()

        _by_stages(byte_count, step)

    def copy_out(self, block_fd: int, byte_count: int, file_fd: int, offset: int) -> None:
        address = _map(block_fd, _whole_granules(byte_count), write=False)
        runtime = cupy.cuda.runtime

        def step(stage: _Stage, start: int, length: int) -> None:
            runtime.memcpyAsync(stage.address, address + start, length, runtime.memcpyDeviceToHost, stage.stream.ptr)
            stage.stream.synchronize()
            if os.pwrite(file_fd, stage.memory[:length], offset + start) != length:
                raise OSError("the file could not take the whole block")

        _by_stages(byte_count, step)

    def explain(self, error: BaseException) -> RuntimeFailure | None:
        kind, text = type(error), str(error)[:2000]
        if issubclass(kind, MemoryError) and ("RMM" in text or "bad_alloc" in text or "cupy" in kind.__module__):
            return TaskMemoryExceeded(
                f"the task asked for more of the device's memory than its limit of {self._limit_bytes} bytes",
                **self._limit(),
            )
        if _BROKEN.search(f"{kind.__name__} {text}"):
            return TaskCrashed("the task made the device unusable for its process, for example by a bad address")
        return None

    def _limit(self) -> LimitFields:
        limit: LimitFields = {"limit_name": "device_bytes", "limit": self._limit_bytes}
        with suppress(Exception):  # the failure matters more than this number
            limit["observed"] = int(self._statistics.allocation_counts.peak_bytes)
        return limit


@dataclass(frozen=True, slots=True)
class _View:
    """A buffer inside a mapped block, with the attributes of cuDF's own buffers."""

    ptr: int
    size: int

    @property
    def nbytes(self) -> int:
        return self.size

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"data": (self.ptr, False), "shape": (self.size,), "typestr": "|u1", "strides": None, "version": 3}


class _Stage:
    """The pinned memory of one copier, and the stream of its copies."""

    def __init__(self) -> None:
        pinned = cupy.cuda.alloc_pinned_memory(_STAGE_BYTES)
        self.address = int(pinned.ptr)
        self.memory = np.frombuffer(pinned, "u1", _STAGE_BYTES).data
        self.stream = cupy.cuda.Stream(non_blocking=True)


def _by_stages(byte_count: int, step: Callable[[_Stage, int, int], None]) -> None:
    """Call ``step`` with start and length of each part of so many bytes, in threads. Raises what a step raises."""
    starts = iter(range(0, byte_count, _STAGE_BYTES))

    def work(_: int) -> None:
        stage = _Stage()
        for start in starts:  # all copiers share this iterator, so each part goes to one of them
            step(stage, start, min(_STAGE_BYTES, byte_count - start))

    copiers = min(_COPIERS, -(-byte_count // _STAGE_BYTES))
    with ThreadPoolExecutor(copiers) as pool:
        list(pool.map(work, range(copiers)))


def _fill(buffers: list[Any], layout: list[_Buffer], byte_count: int, fd: int) -> None:
    address = _map(fd, _whole_granules(byte_count), write=True)
    for buffer, one in zip(buffers, layout, strict=True):
        if not isinstance(one, bytes) and one[1]:
            copy_device_to_ptr(buffer.ptr, address + one[0], one[1])
    cupy.cuda.runtime.deviceSynchronize()  # otherwise the process could end before its copies


def _map(fd: int, byte_count: int, *, write: bool) -> int:
    """Map a block of that size, and return its address. The handle is released at once; the mapping stays."""
    kind = driver.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
    handle = _checked(driver.cuMemImportFromShareableHandle(fd, kind))
    address = _checked(driver.cuMemAddressReserve(byte_count, 0, 0, 0))
    _checked(driver.cuMemMap(address, byte_count, 0, handle, 0))
    _checked(driver.cuMemRelease(handle))
    access = driver.CUmemAccessDesc()
    access.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    access.location.id = 0
    flags = driver.CUmemAccess_flags
    access.flags = flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE if write else flags.CU_MEM_ACCESS_FLAGS_PROT_READ
    _checked(driver.cuMemSetAccess(address, byte_count, [access], 1))
    return int(address)


def _whole_granules(byte_count: int) -> int:
    granule_bytes = _granule_bytes()
    return -(-byte_count // granule_bytes) * granule_bytes


def _granule_bytes() -> int:
    how = driver.CUmemAllocationProp()
    how.type = driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    how.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    how.location.id = 0
    minimum = driver.CUmemAllocationGranularity_flags.CU_MEM_ALLOC_GRANULARITY_MINIMUM
    return int(_checked(driver.cuMemGetAllocationGranularity(how, minimum)))


def _checked(answer: tuple[Any, ...]) -> Any:
    error, *values = answer
    if int(error) != 0:
        raise RuntimeError(f"the driver answers {getattr(error, 'name', error)}")
    return values[0] if values else None


def _take_first_passes() -> None:
    """Use what most tasks use once, because a kernel is loaded at its first use."""

    frame = cudf.DataFrame({"s": ["a", "b", "a"], "d": ["b", "c", "c"], "n": [1, 2, 3], "w": [0.5, 1.5, 2.5]})
    frame.groupby("s")["w"].sum().sort_values()
    frame.merge(frame, left_on="d", right_on="s", how="inner")
    frame[frame["n"] > 1].drop_duplicates(subset=["s"])
    frame["s"].astype("category")
    frame["s"].str.len().sum()
    frame.sort_values("w").head(2).to_arrow(preserve_index=False)
    cudf.from_pandas(pd.DataFrame({"n": [1]}))
    cupy.cuda.runtime.deviceSynchronize()
