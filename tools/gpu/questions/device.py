"""The device: blocks by ``cuMemCreate``, frames by cuDF, memory by NVML.

Libraries are imported where they are used, because the owner must have only the driver's bindings, and because one of
the questions is what an import does.
"""

import os
import pickle
from functools import cached_property
from typing import Any, Final

from tools.gpu.questions.machine import Block, Laps
from tools.gpu.questions.nvml import Nvml

_ENDLESS: Final = 'extern "C" __global__ void k(volatile int* p) { while (*p == 0); }'


def call(result: tuple[Any, ...]) -> Any:
    """Return the result of a call of the driver. Raises ``RuntimeError`` with the driver's name of the error."""
    if int(result[0]) != 0:
        raise RuntimeError(f"{result[0]!s}")
    return result[1] if len(result) == 2 else result[1:]


class CudaMachine:
    """The first device that this process sees."""

    def __init__(self) -> None:
        from cuda.bindings import driver

        self._driver = driver
        self._resource: Any = None
        self._kept: list[Any] = []

    def start(self) -> None:
        call(self._driver.cuInit(0))

    def free_bytes(self) -> int:
        return self.nvml.free_bytes()

    def used_by_process(self) -> dict[int, int | None]:
        return self.nvml.used_by_process()

    def create(self, size: int) -> Block:
        driver = self._driver
        properties = self._properties()
        minimum = driver.CUmemAllocationGranularity_flags.CU_MEM_ALLOC_GRANULARITY_MINIMUM
        granule = int(call(driver.cuMemGetAllocationGranularity(properties, minimum)))
        rounded = -(-size // granule) * granule
        handle = call(driver.cuMemCreate(rounded, properties, 0))
        return Block(handle, rounded, int(call(driver.cuMemExportToShareableHandle(handle, self._by_fd, 0))))

    def release(self, block: Block) -> None:
        call(self._driver.cuMemRelease(block.handle))
        os.close(block.fd)

    def make_ready(self, limit_bytes: int) -> dict[str, float]:
        """Make a context, and limit RMM."""
        laps = Laps()
        with laps("import_cudf"):
            import cudf  # noqa: F401
            import cupy
            import rmm
        with laps("context"):
            cupy.cuda.runtime.free(0)
        with laps("limit"):
            limited = rmm.mr.LimitingResourceAdaptor(rmm.mr.CudaAsyncMemoryResource(), limit_bytes)
            self._resource = limited
            rmm.mr.set_current_device_resource(rmm.mr.StatisticsResourceAdaptor(limited))
        return laps.ms

    def attach(self, fd: int, size: int, *, write: bool) -> tuple[int, dict[str, float]]:
        driver, laps = self._driver, Laps()
        with laps("import"):
            handle = call(driver.cuMemImportFromShareableHandle(fd, self._by_fd))
        os.close(fd)
        with laps("reserve"):
            address = int(call(driver.cuMemAddressReserve(size, 0, 0, 0)))
        with laps("map"):
            call(driver.cuMemMap(address, size, 0, handle, 0))
        call(driver.cuMemRelease(handle))
        with laps("access"):
            self.allow(address, size, write=write)
        return address, laps.ms

    def allow(self, address: int, size: int, *, write: bool) -> None:
        """Set what this process may do with a mapping."""
        flags = self._driver.CUmemAccess_flags
        access = self._driver.CUmemAccessDesc()
        access.location.type = self._driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
        access.location.id = 0
        access.flags = flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE if write else flags.CU_MEM_ACCESS_FLAGS_PROT_READ
        call(self._driver.cuMemSetAccess(address, size, [access], 1))

    def detach(self, address: int, size: int) -> None:
        call(self._driver.cuMemUnmap(address, size))
        call(self._driver.cuMemAddressFree(address, size))

    def fill(self, address: int, size: int) -> None:
        """Store values directly, without a library that checks first."""
        call(self._driver.cuMemsetD8(address, 1, size))
        self.wait()

    def wait(self) -> None:
        call(self._driver.cuCtxSynchronize())

    def spin(self) -> None:
        """Start work that never ends, so that a later wait never returns."""
        import cupy

        cupy.RawKernel(_ENDLESS, "k")((1,), (1,), (cupy.zeros(1, "i4"),))

    def make(self, rows: int) -> Any:
        """Make a frame of five columns; 20 million rows are about 0.9 GB."""
        import cudf
        import cupy

        cupy.random.seed(1)
        frame = cudf.DataFrame(
            {
                "src": cupy.random.randint(0, 1 << 20, rows),
                "dst": cupy.random.randint(0, 1 << 20, rows),
                "w": cupy.random.random(rows),
            }
        )
        frame["s"] = frame["src"].astype("str")
        frame["c"] = (frame["src"] % 7).astype("category")
        return frame

    def pack(self, frame: Any) -> tuple[bytes, list[tuple[int, int]]]:
        """Pack a frame.

        The header has what cuDF keeps in host memory; a None in it stands for a buffer in the block.
        """
        header, parts = frame.device_serialize()
        of_host = [bytes(part) if isinstance(part, memoryview) else None for part in parts]
        self._kept = [part for part in parts if not isinstance(part, memoryview)]  # kept until they have been copied
        return pickle.dumps((header, of_host)), [(int(part.ptr), int(part.nbytes)) for part in self._kept]

    def copy(self, source: int, target: int, size: int) -> None:
        call(self._driver.cuMemcpyDtoDAsync(target, source, size, 0))

    def rebuild(self, header: bytes, spans: tuple[tuple[int, int], ...], address: int) -> Any:
        import cudf

        described, of_host = pickle.loads(header)
        views = iter([View(address + offset, size) for offset, size in spans])
        parts = [next(views) if part is None else memoryview(part) for part in of_host]
        return cudf.DataFrame.device_deserialize(described, parts)

    def take_too_much(self, size: int) -> None:
        import rmm

        rmm.DeviceBuffer(size=size)

    def allocated_bytes(self) -> int | None:
        return int(self._resource.get_allocated_bytes())

    @property
    def _by_fd(self) -> Any:
        return self._driver.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR

    def _properties(self) -> Any:
        properties = self._driver.CUmemAllocationProp()
        properties.type = self._driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
        properties.location.type = self._driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
        properties.location.id = 0
        properties.requestedHandleTypes = self._by_fd
        return properties

    @cached_property
    def nvml(self) -> Nvml:
        """Find the device by uuid, because CUDA and NVML may number devices differently.

        Needs ``start``, and no context.
        """
        return Nvml(bytes(call(self._driver.cuDeviceGetUuid(call(self._driver.cuDeviceGet(0)))).bytes))


class View:
    """Memory that belongs to another object, in the form that cuDF takes without a copy."""

    def __init__(self, address: int, size: int) -> None:
        self.ptr, self.size, self.nbytes = address, size, size

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"data": (self.ptr, False), "shape": (self.size,), "typestr": "|u1", "strides": None, "version": 3}
