"""The replica's side of a keeper: it has the keeper forked, and asks it to rewind its seat."""

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import Any, Final

from runtime.sandbox.host.children import Child, ForkerClient, ended_before_it_began
from runtime.sandbox.protocol import Message, ProtocolError, send_packet
from runtime.sandbox.walls.rewinding.unfit import REASONS

log = logging.getLogger("graphside.sandbox")

MAKE_TIMEOUT_S: Final = 30.0
REWIND_TIMEOUT_S: Final = 5.0
"""A rewind takes a millisecond. One that takes so long is of a seat that cannot be stopped, or of a busy machine."""


@dataclass(frozen=True, slots=True)
class Rewind:
    """What became of a seat after a run. ``unfit``: why it has ended; None if it is ready for its next run.

    ``hot``: pages that were written back. ``differing``: pages that still differ, if the keeper checks that.
    """

    unfit: str | None
    cpu_s: float = 0.0
    hot: int = 0
    differing: int = 0


class KeeperClient(ForkerClient):
    """The replica's end of a keeper's control channel. The keeper is the forker of one child, its seat."""

    def __init__(self, control: socket.socket, keeper: Child) -> None:
        super().__init__(control, "keeper", parent_pid=keeper.pid)
        self._keeper = keeper
        self._rewinding: asyncio.Future[Rewind] | None = None

    @property
    def alive(self) -> bool:
        """Return whether the keeper runs."""
        return not self._keeper.dead

    async def fork(self, message: Message, fds: tuple[int, ...]) -> Child:
        """Have the keeper fork its seat, as ``ForkerClient.fork``. The seat's gate is made here, because a keeper's
        filter lets it make no sockets."""
        seats, keepers = socket.socketpair()
        with seats, keepers:
            return await super().fork(message, (*fds, seats.fileno(), keepers.fileno()))

    async def wait_ready(self) -> None:
        """Wait until the seat can take its first request. Raises ``RunInterrupted``."""
        try:
            event = await self.first_event(MAKE_TIMEOUT_S)
        except TimeoutError:
            raise ended_before_it_began() from None
        if event.get("event") != "ready":
            log.warning("keeper.not_ready reason=%a", str(event.get("reason"))[:50])
            raise ended_before_it_began()

    async def rewind(self) -> Rewind:
        """Rewind the seat after its run. The seat is ready for its next run, or dead."""
        if self.ended.done() or self._rewinding is not None:
            return Rewind("ended")
        self._rewinding = asyncio.get_running_loop().create_future()
        try:
            send_packet(self._control, {"do": "rewind"})
            async with asyncio.timeout(REWIND_TIMEOUT_S):
                return await self._rewinding
        except (OSError, TimeoutError):
            return Rewind("ended")
        finally:
            self._rewinding = None

    def close(self) -> None:
        """Close the channel, upon which the keeper ends its seat and itself. It is killed as well."""
        super().close()
        self._keeper.kill()
        self._answer(Rewind("ended"))

    def _on_event(self, message: Message, fds: list[int]) -> None:
        match message.get("event"), fds:
            case "rewound", []:
                self._answer(_validated(message))
            case "unfit", [] if self._rewinding is not None:
                reason = message.get("reason")
                self._answer(Rewind(reason if reason in REASONS else "state"))
            case _:
                super()._on_event(message, fds)

    def _answer(self, rewind: Rewind) -> None:
        if self._rewinding is not None and not self._rewinding.done():
            self._rewinding.set_result(rewind)


async def open_keeper(holder: ForkerClient, uid: int | None) -> KeeperClient:
    """Fork a keeper, which runs as user ``uid``; None: as the server's user. Raises ``RunInterrupted``."""
    keeper, control = await holder.fork_connected({"kind": "keeper", "uid": uid}, (), socket.SOCK_SEQPACKET)
    return KeeperClient(control, keeper)


def _validated(message: Message) -> Rewind:
    """Return what a keeper says that it did. Raise ``ProtocolError`` for anything else."""
    values: list[Any] = [message.get(name, 0) for name in ("cpu_s", "hot", "differing")]
    if not all(type(value) in (int, float) for value in values):
        raise ProtocolError("not a rewind")
    cpu_s, hot, differing = values
    return Rewind(None, float(cpu_s), int(hot), int(differing))
