"""A slot: room for one run at a time at one replica, which Serve gave and counts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, Final, Protocol

from deployments.calls.messages import RunCall, RunReply

log = logging.getLogger("graphside.ingress")

RETIRED_S: Final = 60.0
"""The age at which a slot is given up. Opening it again corrects whatever Serve has lost count of."""

LEAVE_S: Final = 5.0
"""How long the call of a slot may take to end after the replica was told."""


class OpenCall(Protocol):
    """A call by Serve that is left open. It ends by ``StopAsyncIteration``, or fails as calls fail."""

    async def __anext__(self) -> Any:
        """Return what the replica says next."""

    def cancel(self) -> None:
        """End the call."""


class Slot:
    """One run at a time at one replica. ``DirectCalls.take`` hands it out; ``run`` gives it back."""

    def __init__(
        self,
        number: int,
        call: OpenCall,
        ask: Callable[[RunCall], Awaitable[RunReply]],
        give_back: "Callable[[Slot], None]",
    ) -> None:
        """``number`` is the replica's name for the slot, and ``call`` holds it open. ``ask`` sends a run."""
        loop = asyncio.get_running_loop()
        self.number = number
        self.idle_since = 0.0
        self.until = loop.time() + RETIRED_S
        self._call = call
        self._ask = ask
        self._give_back = give_back
        self._ending = loop.create_task(self._watch(), context=Context())

    @property
    def held(self) -> bool:
        """True while Serve counts the slot."""
        return not self._ending.done()

    async def run(self, call: RunCall) -> RunReply:
        """Send a run and return the replica's reply. Cancelling this ends the run.

        Raises ``TypeError`` for a call that is not JSON, before anything is sent; ``ConnectionError`` if the replica or
        the run failed.
        """
        try:
            return await self._ask(call)
        finally:
            self._give_back(self)

    def leave(self) -> None:
        """Let go of the slot after the replica was told. The replica ends the call, so Serve counts it as a success."""
        asyncio.get_running_loop().call_later(LEAVE_S, self.end)

    def end(self) -> None:
        """Let go of the slot without the replica's help."""
        if self.held:
            self._call.cancel()
            self._ending.cancel()

    async def _watch(self) -> None:
        try:
            await anext(self._call)
        except StopAsyncIteration:
            pass
        except Exception as error:  # as calls by Serve fail; a run in this slot goes on as long as the line does
            log.info("direct.place_lost %s: %s", type(error).__name__, error)
