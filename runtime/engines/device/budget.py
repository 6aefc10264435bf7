"""Divides the memory of a device among datasets, runs and contexts."""

from dataclasses import dataclass
from typing import Final

from runtime.engines.device.driver import Driver
from runtime.errors import EngineUnavailable
from runtime.task import GPU_ENGINE, MIB

CONTEXT_BYTES: Final = 640 * MIB
"""Device memory of a process that has a context and nothing else."""

SLACK_BYTES: Final = 1024 * MIB
"""Device memory left unplanned."""

LOADERS: Final = 2
"""Processes that have a context and run no task: one that loads or waits to, and one that writes an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """The division of a device.

    ``cache_bytes``: what blocks may take; None for everything that runs leave. ``seat_bytes``: what a run may allocate.
    ``seats``: runs at the same time. ``spares``: seats that wait with a context. ``share``: the part of the device that
    this owner may use, at most 1.
    """

    cache_bytes: int | None
    seat_bytes: int
    seats: int
    spares: int
    share: float = 1.0


def budget_bytes(driver: Driver, device: DeviceSettings) -> int:
    """Return what blocks may take of a device: what the settings ask for, or all that contexts and runs leave.

    Raises ``EngineUnavailable`` if nothing is left.
    """
    capacity = driver.capacity()
    usable = min(int(capacity.total_bytes * device.share), capacity.free_bytes)
    processes = device.seats + device.spares + LOADERS
    left = usable - processes * CONTEXT_BYTES - device.seats * device.seat_bytes - SLACK_BYTES
    wanted = left if device.cache_bytes is None else device.cache_bytes
    if wanted <= 0 or wanted > usable:
        raise EngineUnavailable(
            f"the device has {usable} bytes to use; {device.seats} runs of {device.seat_bytes} bytes each, with their "
            "contexts, leave too little for datasets: lower seats or gpu.seat_bytes, or set gpu.cache_bytes",
            engine=GPU_ENGINE,
        )
    return wanted - wanted % driver.granule_bytes
