"""The GPU engine: the tables of a dataset lie in blocks of device memory. Each run has a process of its own, which
already has a context and maps the blocks read-only.

This is the owner's side. It has no context and no cuDF, so nothing that a task does to the device reaches it.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, Final

from runtime.datasets.store.base import Store
from runtime.datasets.store.descriptors import opened
from runtime.engines.base import DatasetSource, MakeRoom
from runtime.engines.device.blocks import Blocks
from runtime.engines.device.budget import DeviceSettings, budget_bytes
from runtime.engines.device.dataset import DeviceDataset
from runtime.engines.device.driver import Block, Driver, DriverFailed
from runtime.engines.device.images import Images
from runtime.engines.device.loading import DeviceLimits, Loader, open_loader, release_tables
from runtime.engines.device.pool import WarmPool
from runtime.engines.device.seats import DeviceSeat, open_device_seat, payload_file
from runtime.engines.rewound_places import RewoundPlaces
from runtime.errors import DatasetTooLarge, DatasetUnreadable, RunInterrupted, RuntimeFailure
from runtime.sandbox.host.seat import seat_not_made
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.template import TemplateProcess
from runtime.task import GPU_ENGINE, MIB, EngineName

log = logging.getLogger("graphside.engine")

WRITING_BYTES: Final = 64 * MIB
"""Device memory that a process which writes an image may allocate."""

TIDY_S: Final = 3600.0
"""Interval at which images of deleted tables are looked for."""


class CudfEngine:
    """Blocks and seats of one device, over tables of one store."""

    name: EngineName = GPU_ENGINE

    def __init__(
        self,
        store: Store,
        template: TemplateProcess,
        settings: SeatSettings,
        device: DeviceSettings,
        driver: Driver,
        images: Images | None = None,
    ) -> None:
        """``template``: one that has cuDF. ``images``: None to keep no images.

        Raises ``EngineUnavailable`` if the device has no room for datasets.
        """
        self.rewound: RewoundPlaces | None = None  # the state of a device's driver cannot be restored
        self._store = store
        self._template = template
        self._settings = settings
        self._device = device
        self._driver = driver
        self.budget_bytes = budget_bytes(driver, device)
        self.blocks = Blocks(driver, self.budget_bytes)
        self.seats = WarmPool(self._open_seat, device.spares)
        self.loaders = WarmPool(self._open_loader, 1)
        self._loading = asyncio.Lock()  # loading takes the size of the dataset once more
        self._images = images
        self._writing = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()  # the loop holds only weak references

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
                self._run_in_background(self._forget_deleted(self._images))

    async def load(self, source: DatasetSource, make_room: MakeRoom) -> DeviceDataset:
        roles = sorted(source.tables)
        objects = [source.tables[role] for role in roles]
        async with self._loading, opened(self._store, objects) as fds:
            stored = dict(zip(roles, fds, strict=True))
            dataset = await self._load_from_images(source, objects, stored, make_room)
            if dataset is None:
                dataset = await self._load(source, stored, [None] * len(objects), make_room)
        if self._images is not None and not all(table.from_image for table in dataset.tables):
            dataset.imaging = self._run_in_background(self._write_images(self._images, dataset, objects))
        return dataset

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.seats.close()
        await self.loaders.close()
        await self._template.close()
        self._driver.close()

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
            raise RunInterrupted("the device reported an error; try again", retry_after_s=5) from error

    async def _load_from_images(
        self, source: DatasetSource, objects: list[str], stored: dict[str, int], make_room: MakeRoom
    ) -> DeviceDataset | None:
        """Load a dataset from images of its tables. Return None if it has none, or has unusable ones (now deleted)."""
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
    ) -> DeviceDataset:
        loader = await self.loaders.take()
        try:
            tables, load_s = await loader.load(
                stored, images, lambda byte_count: self._block(source.dataset_id, byte_count, make_room),
                self.blocks.give_up,
            )  # fmt: skip
        finally:
            self.loaders.refill()
        try:
            payload_fd = payload_file(source.description())
        except BaseException:
            release_tables(tables, self.blocks.give_up)
            raise
        log.info(
            "dataset.loaded dataset_id=%s engine=cudf load_s=%.3f tables=%d from_images=%d",
            source.dataset_id, load_s, len(tables), sum(table.from_image for table in tables),
        )  # fmt: skip
        return DeviceDataset(tables, payload_fd, load_s, self.blocks, self.seats)

    async def _write_images(self, images: Images, dataset: DeviceDataset, objects: list[str]) -> None:
        """Write images of tables that have none, one at a time. Closing the dataset cancels this."""
        async with self._writing:
            for object_id, table in zip(objects, dataset.tables, strict=True):
                if table.from_image:
                    continue
                try:
                    client = await self._template.ready()
                except (RuntimeFailure, TimeoutError):
                    return  # the next load of this dataset tries again
                dataset.begin_reading(table)
                await images.write(
                    client, object_id, table, self._template.walls.new_uid(), self._limits(WRITING_BYTES),
                    partial(dataset.end_reading, table),
                )  # fmt: skip

    async def _forget_deleted(self, images: Images) -> None:
        while True:
            try:
                await asyncio.to_thread(images.forget_deleted, self._store)
            except (OSError, RuntimeFailure):
                log.exception("image.not_tidied")
            await asyncio.sleep(TIDY_S)

    def _run_in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _open_loader(self) -> Loader:
        client = await self._template.ready()
        limits = self._limits(self.budget_bytes + self._device.seat_bytes)
        return await open_loader(client, self._template.walls.new_uid(), limits)

    async def _open_seat(self) -> DeviceSeat:
        client = await self._template.ready()
        limits = self._limits(self._device.seat_bytes)
        try:
            return await open_device_seat(client, self._settings, self._template.walls.new_uid(), limits)
        except OSError as error:
            raise seat_not_made(error) from error

    def _limits(self, device_bytes: int) -> DeviceLimits:
        settings = self._settings
        return DeviceLimits(device_bytes, settings.file_bytes, settings.open_files, settings.threads)
