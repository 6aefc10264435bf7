"""Seats that have a device's context and wait for a dataset, from the replica's side.

What they tell is checked as what all seats tell. Headers of blocks are never read here: they go as they came to the
seats of the same dataset, which are walled in.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import orjson

from runtime.engines.device.conversation import device_unavailable
from runtime.engines.device.loading import SEALS, WARM_TIMEOUT_S, DeviceLimits, DeviceTable
from runtime.errors import RunFailed, RunInterrupted, TaskMemoryExceeded
from runtime.sandbox.host.children import ForkerClient
from runtime.sandbox.host.claims import validated_load_failure
from runtime.sandbox.host.gauge import Gauge
from runtime.sandbox.host.scratch import ScratchRoot
from runtime.sandbox.host.seat import SeatProcess
from runtime.sandbox.protocol import encode_frame

ATTACH_TIMEOUT_S: Final = 10.0


class DeviceSeat(SeatProcess):
    """A seat with a context, which is given its dataset later. Make it with ``open_device_seat``."""

    def __init__(
        self, root: ScratchRoot, uid: int | None, output_bytes: int, result_bytes: int, limits: DeviceLimits
    ) -> None:
        super().__init__(root, uid, output_bytes, result_bytes)
        self._device_limits = limits

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._child is not None, "open() first"
        return self._child.pid

    async def warm(self, template: ForkerClient) -> None:
        """Fork it, and return once it has a context. Raises ``RunInterrupted``, ``EngineUnavailable``."""
        await self.open(template, kind="device_seat", **self._device_limits.to_wire())
        await self._event("warm", b"", (), WARM_TIMEOUT_S)

    async def attach(
        self, tables: list[DeviceTable], payload_fd: int, used_bytes: Callable[[int], int | None], context_bytes: int
    ) -> None:
        """Give it a dataset. From here on its memory counts, and that of the device by ``used_bytes`` of its pid.

        ``context_bytes``: what of that is the context, and the blocks where the device counts those for who maps them.
        Raises ``RunInterrupted``, ``DatasetUnreadable``.
        """
        told = [
            {"role": table.role, "byte_count": table.block.byte_count, "header_bytes": table.header_bytes}
            for table in tables
        ]
        fds = [payload_fd]
        for table in tables:
            fds += [table.block.fd, table.header_fd]
        await self._event("attached", encode_frame({"tables": told}), tuple(fds), ATTACH_TIMEOUT_S)
        self._measure_from_here()
        self._watch_device(used_bytes, context_bytes)

    async def _event(self, name: str, request: bytes, fds: tuple[int, ...], timeout_s: float) -> None:
        assert self._child is not None, "open() first"
        try:
            async with asyncio.timeout(timeout_s):
                event = await self._exchange(self._child, request, fds)
        except TimeoutError:
            event = None
        if event is not None and event.get("event") == "no_device":
            raise device_unavailable(event)
        if event is not None and event.get("event") == "failed":
            raise validated_load_failure(event.get("failure"))
        if event is None or event.get("event") != name:
            text = "the process that was to run this task ended; nothing was changed, send the request again"
            raise RunInterrupted(text, retry_after_s=1)

    def _measure_from_here(self) -> None:
        """What libraries and a context took before is no run's."""
        if self._gauge is not None:
            self._gauge.close()
            self._gauge = None
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended, as who waits for it finds out
            self._gauge = Gauge(self.pid)

    def _watch_device(self, used_bytes: Callable[[int], int | None], context_bytes: int) -> None:
        """End the run where it takes more than its limit by ways that no allocator refuses."""
        before = used_bytes(self.pid)
        limit = self._device_limits.device_bytes

        def look() -> RunFailed | None:
            used = used_bytes(self.pid)
            if used is None:
                return None
            observed = used - (before or 0)
            if observed <= limit + context_bytes:
                return None
            text = f"the task used {observed} bytes of the device's memory, more than its limit of {limit} bytes"
            return TaskMemoryExceeded(text, limit_name="device_bytes", limit=limit, observed=observed)

        self._other_look = look if before is not None else None


async def open_device_seat(
    template: ForkerClient,
    root: ScratchRoot,
    uid: int | None,
    output_bytes: int,
    result_bytes: int,
    limits: DeviceLimits,
) -> DeviceSeat:
    """A seat that has a context and waits for its dataset.

    Raises ``RunInterrupted``, ``EngineUnavailable``, ``OSError``.
    """
    seat = DeviceSeat(root, uid, output_bytes, result_bytes, limits)
    try:
        await seat.warm(template)
    except BaseException:
        await asyncio.shield(seat.close())
        raise
    return seat


def payload_file(payload: dict[str, Any]) -> int:
    """A dataset's description as a file that seats may read. The caller closes it."""
    fd = os.memfd_create("payload", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, orjson.dumps(payload))
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
    return fd
