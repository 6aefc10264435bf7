"""The GPU engine: a dataset's tables lie in blocks of device memory, and each run gets them in a process of its own
that has a context already, which maps them read-only.

This is the owner's side: it has no context and no cuDF, so nothing that a task does to the device reaches it.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from runtime.datasets.store.base import Store
from runtime.datasets.store.descriptors import opened
from runtime.engines.base import DatasetSource, MakeRoom
from runtime.engines.device.blocks import Blocks
from runtime.engines.device.driver import Block, Driver, DriverFailed
from runtime.engines.device.images import Images
from runtime.engines.device.loading import DeviceLimits, DeviceTable, Loader, open_loader, release_tables
from runtime.engines.device.pool import WarmPool
from runtime.engines.device.seats import DeviceSeat, open_device_seat, payload_file
from runtime.engines.pandas import SeatSettings
from runtime.errors import DatasetTooLarge, DatasetUnreadable, EngineUnavailable, RunInterrupted, RuntimeFailure
from runtime.sandbox.host.seat import SeatProcess, seat_not_made
from runtime.sandbox.host.template import TemplateProcess
from runtime.sandbox.walls.identity import new_uid
from runtime.task import MIB, TaskSpec

log = logging.getLogger("graphside.engine")

CONTEXT_BYTES: Final = 640 * MIB
"""What a process takes of a device before it has anything there."""

SLACK_BYTES: Final = 1024 * MIB
"""Of the device, that nobody plans with."""

LOADERS: Final = 2
"""Processes that have a context and run no task: one that loads or waits to, one that writes an image."""

WRITING_BYTES: Final = 64 * MIB
"""Of the device, that a process which writes an image may take."""

TIDY_S: Final = 3600.0
"""How often images of deleted tables are looked for."""


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """How a device is divided. ``cache_bytes``: what blocks may take; None for all that seats leave.

    ``seat_bytes``: what a run may allocate. ``spares``: seats that wait with a context. ``share``: of the device, that
    this owner may use, at most 1.
    """

    cache_bytes: int | None
    seat_bytes: int
    spares: int
    share: float = 1.0


class CudfDataset:
    """A dataset in blocks of a device."""

    def __init__(self, engine: "CudfEngine", tables: list[DeviceTable], payload_fd: int, load_s: float) -> None:
        self._engine = engine
        self.tables = tables
        self._payload_fd = payload_fd
        self._leased: set[SeatProcess] = set()
        self._closed = False
        self.imaging: asyncio.Task[None] | None = None
        """What writes images of it, until they are written."""
        self.no_readers = asyncio.Event()
        self.no_readers.set()
        self.charge_bytes = sum(table.block.byte_count for table in tables)
        self.load_s = load_s

    @property
    def alive(self) -> bool:
        return not self._closed

    async def take_seat(self, _: TaskSpec) -> SeatProcess:
        seat = await self._engine.seats.take()
        self._lease(seat)
        try:
            await seat.attach(self.tables, self._payload_fd, self._engine.used_bytes, self._attached_bytes)
        except BaseException:
            await asyncio.shield(self._end(seat))
            raise
        return seat

    async def give_back(self, seat: SeatProcess, _: TaskSpec) -> None:
        await self._end(seat)

    def refill(self) -> None:
        self._engine.seats.refill()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self.imaging is not None:
            self.imaging.cancel()
            await self.no_readers.wait()  # whoever makes room by this counts on the blocks
        os.close(self._payload_fd)
        for table in self.tables:
            os.close(table.header_fd)
            self._engine.blocks.give_up(table.block)

    @property
    def _attached_bytes(self) -> int:
        """What a device may count for a seat that has the dataset, and its run has not taken."""
        return self.charge_bytes + self._engine.blocks.driver.granule_bytes

    def _lease(self, seat: SeatProcess) -> None:
        self._leased.add(seat)
        for table in self.tables:
            self._engine.blocks.lease(table.block)

    async def _end(self, seat: SeatProcess) -> None:
        """End it; from then on it has no block any more."""
        await seat.close()
        if seat in self._leased:
            self._leased.discard(seat)
            for table in self.tables:
                self._engine.blocks.end_lease(table.block)


class CudfEngine:
    """Blocks and seats of one device, over tables of one store."""

    name = "cudf"

    def __init__(
        self,
        store: Store,
        template: TemplateProcess,
        settings: SeatSettings,
        device: DeviceSettings,
        driver: Driver,
        seats: int,
        images: Images | None = None,
    ) -> None:
        """``template``: one that has cuDF. ``seats``: runs at a time. ``images``: None where none are kept.

        Raises ``EngineUnavailable`` where the device has no room for datasets.
        """
        self._store = store
        self._template = template
        self._settings = settings
        self._device = device
        self.budget_bytes = budget_bytes(driver, device, seats)
        self.blocks = Blocks(driver, self.budget_bytes)
        self.seats = WarmPool(self._open_seat, device.spares)
        self.loaders = WarmPool(self._open_loader, 1)
        self._loading = asyncio.Lock()  # each is as large as its dataset, beside it
        self._images = images
        self._writing = asyncio.Lock()
        self._beside: set[asyncio.Task[None]] = set()  # the loop itself would let go of them

    async def start(self) -> None:
        self._template.start()
        self.seats.refill()
        self.loaders.refill()
        if self._images is not None:
            try:
                await asyncio.to_thread(self._images.prepare)
            except OSError:
                log.exception("image.no_directory")
                self._images = None
            else:
                self._go_on_beside(self._forget_deleted(self._images))

    async def load(self, source: DatasetSource, make_room: MakeRoom) -> CudfDataset:
        roles = sorted(source.tables)
        objects = [source.tables[role] for role in roles]
        async with self._loading, opened(self._store, objects) as fds:
            stored = dict(zip(roles, fds, strict=True))
            dataset = await self._load_from_images(source, objects, stored, make_room)
            if dataset is None:
                dataset = await self._load(source, stored, [None] * len(objects), make_room)
        if self._images is not None and not all(table.from_image for table in dataset.tables):
            dataset.imaging = self._go_on_beside(self._write_images(self._images, dataset, objects))
        return dataset

    async def close(self) -> None:
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self.seats.close()
        await self.loaders.close()
        await self._template.close()
        self.blocks.driver.close()

    def used_bytes(self, pid: int) -> int | None:
        """What a process takes of the device; None where that cannot be told."""
        try:
            return self.blocks.driver.used_bytes(pid)
        except DriverFailed:
            log.exception("device.untold pid=%d", pid)
            return None

    async def _block(self, dataset_id: str, byte_count: int, make_room: MakeRoom) -> Block:
        if self.blocks.rounded(byte_count) > self.budget_bytes:
            raise DatasetTooLarge(
                f"dataset {dataset_id} needs {byte_count} bytes of the device's memory, more than this server's cache "
                f"of {self.budget_bytes} bytes there",
                dataset_id=dataset_id, limit_name="cache_bytes", limit=self.budget_bytes, observed=byte_count,
            )  # fmt: skip
        try:
            return await self.blocks.create(byte_count, make_room)
        except DriverFailed as error:
            log.error("device.failed %s", error)
            raise RunInterrupted("the device does not answer as it should; try again", retry_after_s=5) from error

    async def _load_from_images(
        self, source: DatasetSource, objects: list[str], stored: dict[str, int], make_room: MakeRoom
    ) -> CudfDataset | None:
        """None where there are no images, or where they were of no use and are gone."""
        if self._images is None:
            return None
        async with self._images.opened(objects) as images:
            if all(image is None for image in images):
                return None
            try:
                return await self._load(source, stored, images, make_room)
            except (DatasetUnreadable, RunInterrupted) as error:
                log.warning("image.of_no_use dataset_id=%s %s", source.dataset_id, error.message)
                self._images.drop(objects)
                return None

    async def _load(
        self, source: DatasetSource, stored: dict[str, int], images: Sequence[int | None], make_room: MakeRoom
    ) -> CudfDataset:
        loader = await self.loaders.take()
        try:
            tables, load_s = await loader.load(
                stored, images, lambda byte_count: self._block(source.dataset_id, byte_count, make_room),
                self.blocks.give_up,
            )  # fmt: skip
        finally:
            self.loaders.refill()
        try:
            payload_fd = payload_file(source.payload)
        except BaseException:
            release_tables(tables, self.blocks.give_up)
            raise
        log.info(
            "dataset.loaded dataset_id=%s engine=cudf load_s=%.3f tables=%d from_images=%d",
            source.dataset_id, load_s, len(tables), sum(table.from_image for table in tables),
        )  # fmt: skip
        return CudfDataset(self, tables, payload_fd, load_s)

    async def _write_images(self, images: Images, dataset: CudfDataset, objects: list[str]) -> None:
        """Of tables that have none yet, for the next load. One at a time; cancelled where the dataset is given up."""
        async with self._writing:
            for object_id, table in zip(objects, dataset.tables, strict=True):
                if table.from_image:
                    continue
                try:
                    client = await self._template.client()
                except (RuntimeFailure, TimeoutError):
                    return  # the next load of this dataset is another occasion
                self.blocks.lease(table.block)
                dataset.no_readers.clear()
                await images.write(
                    client, object_id, table, self._new_uid(), self._limits(WRITING_BYTES),
                    partial(self._end_reading, dataset, table),
                )  # fmt: skip

    def _end_reading(self, dataset: CudfDataset, table: DeviceTable) -> None:
        self.blocks.end_lease(table.block)
        dataset.no_readers.set()

    async def _forget_deleted(self, images: Images) -> None:
        while True:
            try:
                await asyncio.to_thread(images.forget_deleted, self._store)
            except (OSError, RuntimeFailure):
                log.exception("image.not_tidied")
            await asyncio.sleep(TIDY_S)

    def _go_on_beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    async def _open_loader(self) -> Loader:
        client = await self._template.client()
        return await open_loader(client, self._new_uid(), self._limits(self.budget_bytes + self._device.seat_bytes))

    async def _open_seat(self) -> DeviceSeat:
        settings = self._settings
        client = await self._template.client()
        try:
            return await open_device_seat(
                client, settings.scratch, self._new_uid(), settings.output_bytes, settings.result_bytes,
                self._limits(self._device.seat_bytes),
            )  # fmt: skip
        except OSError as error:
            raise seat_not_made(error) from error

    def _limits(self, device_bytes: int) -> DeviceLimits:
        settings = self._settings
        return DeviceLimits(device_bytes, settings.file_bytes, settings.open_files, settings.threads)

    def _new_uid(self) -> int | None:
        return new_uid() if self._template.walls.throwaway_users else None


def budget_bytes(driver: Driver, device: DeviceSettings, seats: int) -> int:
    """What blocks may take of a device: what is asked for, or all that contexts and runs leave.

    Raises ``EngineUnavailable`` where that is nothing.
    """
    capacity = driver.capacity()
    usable = min(int(capacity.total_bytes * device.share), capacity.free_bytes)
    processes = seats + device.spares + LOADERS
    left = usable - processes * CONTEXT_BYTES - seats * device.seat_bytes - SLACK_BYTES
    wanted = left if device.cache_bytes is None else device.cache_bytes
    if wanted <= 0 or wanted > usable:
        raise EngineUnavailable(
            f"the device has {usable} bytes to use; {seats} runs of {device.seat_bytes} bytes each and their contexts "
            "leave none for datasets: lower seats or gpu.seat_bytes, or set gpu.cache_bytes",
            engine="cudf",
        )
    return wanted - wanted % driver.granule_bytes
