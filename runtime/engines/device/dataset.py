"""A dataset in device memory: its tables lie in blocks, which seats map."""

import asyncio
import os

from runtime.engines.device.blocks import Blocks
from runtime.engines.device.loading import DeviceTable
from runtime.engines.device.pool import WarmPool
from runtime.engines.device.seats import DeviceSeat
from runtime.sandbox.host.seat import SeatProcess
from runtime.task import TaskSpec


class DeviceDataset:
    """A dataset in blocks of a device."""

    def __init__(
        self, tables: list[DeviceTable], payload_fd: int, load_s: float, blocks: Blocks, seats: WarmPool[DeviceSeat]
    ) -> None:
        """``payload_fd``: the dataset's description, as ``payload_file`` makes it. The dataset closes it."""
        self.tables = tables
        self._payload_fd = payload_fd
        self._blocks = blocks
        self._seats = seats
        self._leased: set[SeatProcess] = set()
        self._closed = False
        self.imaging: asyncio.Task[None] | None = None
        """The task that writes images of the tables, while it does."""
        self._no_readers = asyncio.Event()  # set while no process writes an image of a block
        self._no_readers.set()
        self.charge_bytes = sum(table.block.byte_count for table in tables)
        self.load_s = load_s

    @property
    def alive(self) -> bool:
        return not self._closed

    async def take_seat(self, _: TaskSpec) -> SeatProcess:
        waits = bool(self._seats.pids)
        seat = await self._seats.take()
        seat.kind = "spare" if waits else "forked"
        self._lease(seat)
        # A device may count a block, and what it rounds up to, for each process that maps the block.
        attached_bytes = self.charge_bytes + self._blocks.granule_bytes
        try:
            await seat.attach(self.tables, self._payload_fd, self._blocks.process_bytes, attached_bytes)
        except BaseException:
            await asyncio.shield(self._end(seat))
            raise
        return seat

    async def give_back(self, seat: SeatProcess, _: TaskSpec) -> None:
        await self._end(seat)

    def refill(self) -> None:
        self._seats.refill()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self.imaging is not None:
            self.imaging.cancel()
            await self._no_readers.wait()  # the caller makes room, and counts on the memory of the blocks
        os.close(self._payload_fd)
        for table in self.tables:
            os.close(table.header_fd)
            self._blocks.give_up(table.block)

    def begin_reading(self, table: DeviceTable) -> None:
        """Keep a block while a process writes an image of it."""
        self._blocks.lease(table.block)
        self._no_readers.clear()

    def end_reading(self, table: DeviceTable) -> None:
        self._blocks.end_lease(table.block)
        self._no_readers.set()

    def _lease(self, seat: SeatProcess) -> None:
        self._leased.add(seat)
        for table in self.tables:
            self._blocks.lease(table.block)

    async def _end(self, seat: SeatProcess) -> None:
        """End a seat. From then on it maps no block."""
        await seat.close()
        if seat in self._leased:
            self._leased.discard(seat)
            for table in self.tables:
                self._blocks.end_lease(table.block)
