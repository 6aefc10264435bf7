"""An NVIDIA device for its owner. The owner allocates physical memory and never makes a context, so that no fault of
a task can reach it. NVML says how much memory is in use, and by which process."""

import os
from typing import Any, Final

from runtime.engines.device.driver import Block, Capacity, DriverFailed, OutOfDeviceMemory

_OUT_OF_MEMORY: Final = "CUDA_ERROR_OUT_OF_MEMORY"


class CudaDriver:
    """The device that ``CUDA_VISIBLE_DEVICES`` names first. Raises ``DriverFailed`` if there is none."""

    def __init__(self) -> None:
        try:
            from cuda.bindings import driver, nvml
        except ImportError as error:
            raise DriverFailed(f"the Python packages for GPUs are not installed: {error}") from None
        self._driver: Any = driver
        self._nvml: Any = nvml
        try:
            self._checked("cuInit", 0)
            device = self._checked("cuDeviceGet", 0)
            uuid = self._checked("cuDeviceGetUuid", device).bytes
        except (OSError, RuntimeError) as error:  # the bindings raise these if there is no driver to load
            raise DriverFailed(str(error)) from None
        self._how = self._property(int(device))
        granularity = driver.CUmemAllocationGranularity_flags.CU_MEM_ALLOC_GRANULARITY_MINIMUM
        self.granule_bytes = int(self._checked("cuMemGetAllocationGranularity", self._how, granularity))
        nvml.init_v2()
        self._device = self._same_device(_digits(bytes(uuid)))

    def capacity(self) -> Capacity:
        memory = self._nvml.device_get_memory_info_v2(self._device)
        return Capacity(total_bytes=int(memory.total), free_bytes=int(memory.free))

    def create(self, byte_count: int) -> Block:
        byte_count = -(-byte_count // self.granule_bytes) * self.granule_bytes
        handle = self._checked("cuMemCreate", byte_count, self._how, 0)
        try:
            fd = int(self._checked("cuMemExportToShareableHandle", handle, self._how.requestedHandleTypes, 0))
        except BaseException:
            self._checked("cuMemRelease", handle)
            raise
        os.set_inheritable(fd, False)
        return Block(fd, byte_count, handle)

    def release(self, block: Block) -> None:
        os.close(block.fd)
        self._checked("cuMemRelease", block.handle)

    def used_bytes(self, pid: int) -> int | None:
        try:
            processes = self._nvml.device_get_compute_running_processes_v3(self._device)
        except self._nvml.NvmlError:
            return None
        for process in processes:
            if int(process.pid) == pid:
                used = int(process.used_gpu_memory)
                return used if used < 1 << 63 else None  # all bits set: unknown
        return None  # for example because NVML knows processes by the pids of another namespace

    def close(self) -> None:
        self._nvml.shutdown()

    def _property(self, device: int) -> Any:
        """Return the properties of blocks: memory of this device that can be exported as a descriptor."""
        driver = self._driver
        how = driver.CUmemAllocationProp()
        how.type = driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
        how.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
        how.location.id = device
        how.requestedHandleTypes = driver.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
        return how

    def _same_device(self, digits: str) -> Any:
        """Return the device in NVML, which numbers devices in another order. A part of a device has a MIG id."""
        for kind in ("GPU", "MIG"):
            try:
                return self._nvml.device_get_handle_by_uuid(f"{kind}-{digits}")
            except self._nvml.NvmlError as error:
                why = error
        raise DriverFailed(f"NVML does not know the device: {why}")

    def _checked(self, function: str, *arguments: Any) -> Any:
        """Call the driver, and return its result. Raises ``DriverFailed``, ``OutOfDeviceMemory``."""
        error, *answers = getattr(self._driver, function)(*arguments)
        if int(error) != 0:
            name = getattr(error, "name", str(error))
            kind = OutOfDeviceMemory if name == _OUT_OF_MEMORY else DriverFailed
            raise kind(f"{function} answers {name}")
        return answers[0] if answers else None


def _digits(uuid: bytes) -> str:
    """Return a UUID as NVML writes it."""

    digits = uuid.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
