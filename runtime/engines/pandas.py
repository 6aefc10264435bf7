"""The CPU engine: a holder for each dataset maps its tables and builds its frames once; each run gets a fork of it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from runtime.datasets.store.base import Store
from runtime.datasets.store.descriptors import opened
from runtime.engines.base import DatasetSource, MakeRoom
from runtime.engines.kept_seats import KeptSeats
from runtime.engines.rewound_places import SHARE, RewoundPlaces
from runtime.engines.rewound_seats import RewoundSeats
from runtime.errors import RuntimeFailure
from runtime.sandbox.host.holder import HolderOrder, HolderProcess, open_holder
from runtime.sandbox.host.rewound_seat import RewoundSeat, open_rewound_seat
from runtime.sandbox.host.seat import SeatProcess, open_seat
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.template import TemplateProcess
from runtime.task import CPU_ENGINE, EngineName, Limits, TaskSpec

log = logging.getLogger("graphside.engine")

IDLE_S: Final = 60.0
"""Spare seats of a dataset that nobody used for this long are closed. Each takes ``SPARE_BYTES``."""

REFILL_DELAY_S: Final = 0.002
"""Pause before spare seats are made. A fork takes 5 ms of a core, and the answer that was just made goes out first."""

HOLDER_BYTES: Final = 10 * 1024 * 1024
"""Cost of a holder besides its dataset: page tables, and the pages that it changes after the fork. If the cache counted
less, small datasets could fill the machine's memory within its budget."""

SPARE_BYTES: Final = 2 * 1024 * 1024
"""Cost of a spare seat."""


class PandasDataset:
    """A dataset in a holder. It keeps ``spares`` seats ready while it is in use."""

    def __init__(
        self,
        holder: HolderProcess,
        source: DatasetSource,
        settings: SeatSettings,
        new_uid: Callable[[], int | None],
        rewound: RewoundPlaces | None,
    ) -> None:
        """``new_uid``: returns the user that a new seat runs as. ``rewound``: the runner's places of rewound seats;
        None if this machine cannot rewind seats, or the operator wants none."""
        self._holder = holder
        self._new_uid = new_uid
        self._settings = settings
        self._spares: list[SeatProcess] = []
        self._kept = KeptSeats(settings.reused)
        self._rewound: RewoundSeats | None = None
        if rewound is not None:
            self._rewound = RewoundSeats(settings.rewound, settings.rewound_between, rewound, self._open_rewound)
        self._filling: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False
        self._closing: set[asyncio.Task[None]] = set()  # the loop holds only weak references
        own_bytes = HOLDER_BYTES + settings.spares * SPARE_BYTES
        self.charge_bytes = source.byte_count + holder.anonymous_bytes + own_bytes
        self.load_s = holder.load_s

    @property
    def alive(self) -> bool:
        return self._holder.alive and not self._closed

    async def take_seat(self, spec: TaskSpec) -> SeatProcess:
        if spec.owner is not None:  # then no seat is rewound for it
            kept = self._kept.take(spec.owner, spec.limits)
        else:
            kept = await self._rewound.take(spec) if self._rewound is not None else None
        if kept is not None:
            return kept
        while self._spares:
            seat = self._spares.pop()
            if seat.alive:
                return seat
            await seat.close()
        return await self._open()

    async def give_back(self, seat: SeatProcess, spec: TaskSpec) -> None:
        if self._rewound is not None:
            if isinstance(seat, RewoundSeat):
                return await self._rewound.give_back(seat, spec)
            if spec.owner is None:
                self._rewound.consider(spec)
        if spec.owner is None or self._closed or not self._kept.keep(spec.owner, seat):
            await seat.close()

    def refill(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._drop_spares)
        full = len(self._spares) >= self._settings.spares
        if self.alive and not full and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    async def close(self) -> None:
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        self._holder.close()
        spares = [*self._spares, *self._kept.clear()]
        self._spares = []
        closing = [seat.close() for seat in spares]
        if self._rewound is not None:
            closing.append(self._rewound.close())
        await asyncio.gather(*closing, self._holder.child.wait_dead())

    async def _open(self) -> SeatProcess:
        return await open_seat(self._holder.client, self._settings, self._new_uid())

    async def _open_rewound(self, limits: Limits, source: str) -> RewoundSeat:
        settings = self._settings
        return await open_rewound_seat(
            self._holder.client, settings, self._new_uid(), limits, source=source, checked=settings.rewound_checked
        )

    async def _fill(self) -> None:
        await asyncio.sleep(REFILL_DELAY_S)
        with suppress(RuntimeFailure):  # the holder died: the next run notices, and the dataset is loaded again
            while self.alive and len(self._spares) < self._settings.spares:
                seat = await self._open()
                seat.kind = "spare"
                self._spares.append(seat)

    def _drop_spares(self) -> None:
        spares, self._spares = self._spares, []
        for seat in spares:
            closing = asyncio.create_task(seat.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


class PandasEngine:
    """Holders forked from one template, over tables of one store."""

    name: EngineName = CPU_ENGINE

    def __init__(self, store: Store, template: TemplateProcess, settings: SeatSettings, dataset_bytes: int) -> None:
        """``dataset_bytes``: the most memory that one dataset may take, files included."""
        self._store = store
        self._template = template
        self._settings = settings
        self._dataset_bytes = dataset_bytes
        self.rewound: RewoundPlaces | None = None
        if settings.rewound and template.walls.rewind:
            self.rewound = RewoundPlaces(dataset_bytes // SHARE, settings.rewound_in_all)

    async def start(self) -> None:
        self._template.start()

    async def load(self, source: DatasetSource, _: MakeRoom) -> PandasDataset:
        roles = sorted(source.tables)
        settings = self._settings
        async with opened(self._store, [source.tables[role] for role in roles]) as fds:
            order = HolderOrder(
                tables=dict(zip(roles, fds, strict=True)),
                payload=source.description(),
                memory_bytes=self._dataset_bytes,
                scratch_root=settings.scratch.fd,
                open_files=settings.open_files,
                file_bytes=settings.file_bytes,
                threads=settings.threads,
            )
            holder = await open_holder(self._template, order)
        log.info(
            "dataset.loaded dataset_id=%s pid=%d load_s=%.3f",
            source.dataset_id,
            holder.child.pid,
            holder.load_s,
        )
        return PandasDataset(holder, source, settings, self._template.walls.new_uid, self.rewound)

    async def close(self) -> None:
        if self.rewound is not None:
            await self.rewound.close()
        await self._template.close()
