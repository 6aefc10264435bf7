"""The ingress's side of direct calls: slots at replicas, and lines to the replicas on this machine.

A slot is a call by Serve that a replica answers with its address and then leaves open. Serve chooses the replica, and
counts the slot as it counts every call: for autoscaling, for what a replica takes at a time, and for a replica that
waits for its calls before it ends. While an ingress holds the slot, one run after the other goes to the replica over a
socket, at a tenth of what a call by Serve costs.

No run waits for a slot: if none is free, the run goes by Serve.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

from deployments.calls.direct.line import IDLE_S, Line, connect
from deployments.calls.direct.slot import OpenCall, Slot
from deployments.calls.messages import SlotOffer

log = logging.getLogger("graphside.ingress")

ASK_AGAIN_S: Final = 5.0
"""Seconds between two questions to Serve which replica has a dataset: how late a replica that leaves is noticed."""

FAR_S: Final = 60.0
"""How often Serve is asked if the dataset's replica is on another machine."""

OPEN_S: Final = 15.0
"""How long opening a slot may take."""

REFUSED_S: Final = 5.0
"""How long runs on a dataset go by Serve after Serve gave no slot for it."""

OPENING: Final = 16
"""Slots that are opened at the same time. A burst of runs needs no more to have its slots soon."""

_DATASETS: Final = 4096


OpenSlot = Callable[[str], Awaitable[tuple[OpenCall, SlotOffer]]]
"""Asks Serve for a slot for a dataset: the call that is left open, and what the replica said."""


class DirectCalls:
    """Direct calls to the replicas of one deployment."""

    def __init__(self, open_slot: OpenSlot) -> None:
        self._open_slot = open_slot
        self._lines: dict[str, asyncio.Task[Line | None]] = {}  # by replica
        self._datasets: OrderedDict[str, _Dataset] = OrderedDict()
        self._opening: set[asyncio.Task[None]] = set()

    def take(self, key: str) -> Slot | None:
        """Return a free slot at the replica that Serve chose for a dataset. If there is none, one is opened."""
        now = asyncio.get_running_loop().time()
        dataset = self._datasets.get(key)
        if dataset is None:
            dataset = self._datasets[key] = _Dataset()
            if len(self._datasets) > _DATASETS:
                self._datasets.popitem(last=False)
        self._datasets.move_to_end(key)
        slot = dataset.line.take() if dataset.line is not None else None
        in_a_row = now - dataset.last_asked < IDLE_S  # then another run is likely to follow
        dataset.last_asked = now
        wanted = in_a_row if slot is None else now >= dataset.good_until and not dataset.asking
        if wanted and now >= dataset.far_until and len(self._opening) < OPENING:
            self._begin(self._open(key, dataset))
        return slot

    def close(self) -> None:
        """Let go of all slots and lines."""
        for task in self._opening:
            task.cancel()
        for connecting in self._lines.values():
            if (line := _line_of(connecting)) is not None:
                line.close()
            connecting.cancel()
        self._lines.clear()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        # In a context of its own, because what a request's context has open ends with the request.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, key: str, dataset: "_Dataset") -> None:
        dataset.asking += 1
        try:
            async with asyncio.timeout(OPEN_S):
                call, offer = await self._open_slot(key)
                try:
                    await self._use(call, offer, dataset)
                except BaseException:
                    call.cancel()
                    raise
        except Exception as error:  # whatever it is: runs go by Serve, whose errors reach their callers
            dataset.far_until = asyncio.get_running_loop().time() + REFUSED_S
            log.info("direct.no_place %s: %s", type(error).__name__, error)
        finally:
            dataset.asking -= 1

    async def _use(self, call: OpenCall, offer: SlotOffer, dataset: "_Dataset") -> None:
        line = await self._line_to(offer)
        now = asyncio.get_running_loop().time()
        dataset.line, dataset.good_until = line, now + ASK_AGAIN_S
        if line is None:
            dataset.far_until = now + FAR_S
            call.cancel()
        elif line.free_slots:
            line.decline(offer["slot"], call)  # Serve was asked for the replica; there are slots enough
        else:
            line.claim(offer["slot"], call)

    async def _line_to(self, offer: SlotOffer) -> Line | None:
        """Return the line to a replica; None if the replica cannot be reached directly."""
        replica, address = offer["replica"], offer["address"]
        if address is None:
            return None
        self._lines = {name: line for name, line in self._lines.items() if _may_live(line)}
        if replica not in self._lines:
            self._lines[replica] = asyncio.create_task(connect(address))
        return await asyncio.shield(self._lines[replica])


@dataclass(slots=True)
class _Dataset:
    """What is known of a dataset. Times are of the loop's clock."""

    line: Line | None = None
    asking: int = 0
    good_until: float = 0.0
    far_until: float = 0.0
    last_asked: float = float("-inf")


def _may_live(connecting: "asyncio.Task[Line | None]") -> bool:
    return not connecting.done() or ((line := _line_of(connecting)) is not None and line.alive)


def _line_of(connecting: "asyncio.Task[Line | None]") -> Line | None:
    """Return the line if the connection has been made."""
    if not connecting.done() or connecting.cancelled() or connecting.exception() is not None:
        return None
    return connecting.result()
