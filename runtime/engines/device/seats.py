"""The replica's side of seats that have a device's context and wait for a dataset.

The replica validates what these seats report, as it does for all seats. It never reads the headers of blocks: it passes
them on to seats of the same dataset, which are walled in.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import orjson

from runtime.engines.device.conversation import expected
from runtime.engines.device.loading import SEALS, WARM_TIMEOUT_S, DeviceLimits, DeviceTable
from runtime.errors import RunFailed, TaskMemoryExceeded
from runtime.sandbox.host.children import ForkerClient, ended_before_it_began
from runtime.sandbox.host.gauge import Gauge
from runtime.sandbox.host.seat import SeatProcess
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.protocol import encode_frame

ATTACH_TIMEOUT_S: Final = 10.0


class DeviceSeat(SeatProcess):
    """A seat with a context, which gets its dataset later. Make it with ``open_device_seat``."""

    def __init__(self, settings: SeatSettings, uid: int | None, limits: DeviceLimits) -> None:
        super().__init__(settings, uid)
        self._device_limits = limits

    @property
    def pid(self) -> int:
        assert self._child is not None, "open() first"
        return self._child.pid

    async def warm(self, template: ForkerClient) -> None:
        """Fork the seat, and return once it has a context. Raises ``RunInterrupted``, ``EngineUnavailable``."""
        await self.open(template, kind="device_seat", **self._device_limits.to_wire())
        await self._exchange(b"", (), "warm", WARM_TIMEOUT_S)

    async def attach(
        self,
        tables: list[DeviceTable],
        payload_fd: int,
        process_bytes: Callable[[int], int | None],
        attached_bytes: int,
    ) -> None:
        """Give the seat a dataset. From here on its memory counts, and its device memory too.

        ``process_bytes``: returns the device memory of a pid. ``attached_bytes``: the part of it that is due to the
        dataset and not to the run. Raises ``RunInterrupted``, ``DatasetUnreadable``, ``DatasetTooLarge``.
        """
        described = [
            {"role": table.role, "byte_count": table.block.byte_count, "header_bytes": table.header_bytes}
            for table in tables
        ]
        fds = [payload_fd]
        for table in tables:
            fds += [table.block.fd, table.header_fd]
        await self._exchange(encode_frame({"tables": described}), tuple(fds), "attached", ATTACH_TIMEOUT_S)
        self._measure_from_here()
        self._watch_device(process_bytes, attached_bytes)

    async def _exchange(self, request: bytes, fds: tuple[int, ...], event: str, timeout_s: float) -> None:
        """Send a request, and wait until the seat answers with ``event``."""
        assert self._channel is not None, "open() first"
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._channel.exchange(request, fds)
        except TimeoutError:
            answer = None
        if answer is None:
            raise ended_before_it_began()
        expected(answer, event)

    def _measure_from_here(self) -> None:
        """Start measuring memory again: what libraries and a context took before does not count for the run."""
        if self._gauge is not None:
            self._gauge.close()
            self._gauge = None
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended, which the run will notice
            self._gauge = Gauge(self.pid)

    def _watch_device(self, process_bytes: Callable[[int], int | None], attached_bytes: int) -> None:
        """End the run if it takes more device memory than its limit by ways that no allocator refuses."""
        before = process_bytes(self.pid)
        limit = self._device_limits.device_bytes

        def look() -> RunFailed | None:
            used = process_bytes(self.pid)
            if used is None:
                return None
            observed = used - (before or 0)
            if observed <= limit + attached_bytes:
                return None
            text = f"the task used {observed} bytes of the device's memory, more than its limit of {limit} bytes"
            return TaskMemoryExceeded(text, limit_name="device_bytes", limit=limit, observed=observed)

        self._other_look = look if before is not None else None


async def open_device_seat(
    template: ForkerClient, settings: SeatSettings, uid: int | None, limits: DeviceLimits
) -> DeviceSeat:
    """Return a seat that has a context and waits for its dataset.

    Raises ``RunInterrupted``, ``EngineUnavailable``, ``OSError``.
    """
    seat = DeviceSeat(settings, uid, limits)
    try:
        await seat.warm(template)
    except BaseException:
        await asyncio.shield(seat.close())
        raise
    return seat


def payload_file(payload: dict[str, Any]) -> int:
    """Write the description of a dataset to a file that seats may read. The caller closes its descriptor."""
    fd = os.memfd_create("payload", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, orjson.dumps(payload))
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
    return fd
