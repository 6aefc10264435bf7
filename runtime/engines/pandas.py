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
from runtime.engines.rewound_seats import RewoundSeats
from runtime.errors import RuntimeFailure
from runtime.sandbox.host.holder import HolderOrder, HolderProcess, open_holder
from runtime.sandbox.host.rewound_seat import BYTES as REWOUND_BYTES
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
        *,
        rewinds: bool,
    ) -> None:
        """``new_uid``: returns the user that a new seat runs as. ``rewinds``: this machine can rewind seats."""
        self._holder = holder
        self._new_uid = new_uid
        self._settings = settings
        self._spares: list[SeatProcess] = []
        self._kept = KeptSeats(settings.reused)
        self._rewound = RewoundSeats(settings.rewound if rewinds else 0, settings.rewound_between, self._open_rewound)
        self._filling: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False
        self._closing: set[asyncio.Task[None]] = set()  # the loop holds only weak references
        rewound_bytes = settings.rewound * REWOUND_BYTES if rewinds else 0
        own_bytes = HOLDER_BYTES + settings.spares * SPARE_BYTES + rewound_bytes
        self.charge_bytes = source.byte_count + holder.anonymous_bytes + own_bytes
        self.load_s = holder.load_s

    @property
    def alive(self) -> bool:
        return self._holder.alive and not self._closed

    async def take_seat(self, spec: TaskSpec) -> SeatProcess:
        if spec.owner is not None and (kept := self._kept.take(spec.owner, spec.limits)) is not None:
            return kept
        if (rewound := self._rewound.take(spec)) is not None:
            return rewound
        while self._spares:
            seat = self._spares.pop()
            if seat.alive:
                return seat
            await seat.close()
        return await self._open()

    async def give_back(self, seat: SeatProcess, spec: TaskSpec) -> None:
        if isinstance(seat, RewoundSeat):
            return await self._rewound.give_back(seat)
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
        spares: list[SeatProcess] = [*self._spares, *self._kept.clear(), *self._rewound.clear()]
        self._spares = []
        await asyncio.gather(*(seat.close() for seat in spares), self._holder.child.wait_dead())

    async def _open(self) -> SeatProcess:
        return await open_seat(self._holder.client, self._settings, self._new_uid())

    async def _open_rewound(self, limits: Limits) -> RewoundSeat:
        return await open_rewound_seat(
            self._holder.client, self._settings, self._new_uid(), limits, checked=self._settings.rewound_checked
        )

    async def _fill(self) -> None:
        await asyncio.sleep(REFILL_DELAY_S)
        with suppress(RuntimeFailure):  # the holder died: the next run notices, and the dataset is loaded again
            while self.alive and len(self._spares) < self._settings.spares:
                self._spares.append(await self._open())

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
        walls = self._template.walls
        return PandasDataset(holder, source, settings, walls.new_uid, rewinds=bool(walls.rewind))

    async def close(self) -> None:
        await self._template.close()
