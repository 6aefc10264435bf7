"""The memory of a device as NVML counts it, without a context: by the pinned bindings, or by an older machine's own."""

import uuid
from collections.abc import Callable
from importlib import import_module
from typing import Any


class Nvml:
    """The device with a uuid. Raises what the bindings raise if NVML is missing."""

    def __init__(self, raw_uuid: bytes) -> None:
        names = [f"{kind}-{uuid.UUID(bytes=raw_uuid)}" for kind in ("GPU", "MIG")]  # whole, or a part of one
        self._new: Any = None
        self._old: Any = None
        try:
            from cuda.bindings import nvml

            nvml.init_v2()
            self._new, self._device = nvml, _first(nvml.device_get_handle_by_uuid, names)
        except ImportError:
            pynvml: Any = import_module("pynvml")  # used only if the pinned bindings are missing
            pynvml.nvmlInit()
            self._old, self._device = pynvml, _first(pynvml.nvmlDeviceGetHandleByUUID, names)

    @property
    def bindings(self) -> str:
        return "cuda.bindings.nvml" if self._new is not None else "pynvml"

    @property
    def driver_version(self) -> str:
        if self._new is not None:
            return str(self._new.system_get_driver_version())
        return str(self._old.nvmlSystemGetDriverVersion())

    def free_bytes(self) -> int:
        if self._new is not None:
            return int(self._new.device_get_memory_info_v2(self._device).free)
        return int(self._old.nvmlDeviceGetMemoryInfo(self._device).free)

    def used_by_process(self) -> dict[int, int | None]:
        """Return bytes by the driver's pids, or None if the driver does not say.

        The pids may be those of another namespace.
        """
        if self._new is not None:
            running = self._new.device_get_compute_running_processes_v3(self._device)
            found = {int(process.pid): int(process.used_gpu_memory) for process in running}
        else:
            running = self._old.nvmlDeviceGetComputeRunningProcesses(self._device)
            found = {int(process.pid): int(process.usedGpuMemory or -1) for process in running}
        return {pid: None if used < 0 or used == 2**64 - 1 else used for pid, used in found.items()}


def _first(find: Callable[[str], Any], names: list[str]) -> Any:
    """Return the device by the first of its names that NVML knows. Raises what ``find`` raises for the last one."""
    *others, last = names
    for name in others:
        try:
            return find(name)
        except Exception:  # each of the bindings has its own
            continue
    return find(last)
