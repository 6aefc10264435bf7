"""The one small interface behind which engines differ: how a dataset is held, and how a seat comes to have it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from runtime.sandbox.host.seat import SeatProcess
from runtime.task import TaskSpec

MakeRoom = Callable[[], Awaitable[bool]]
"""Gives up the dataset that was used least recently; False where all are in use."""


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A dataset as an engine loads it.

    ``tables`` maps a role (``edges``, ``nodes``) to the id of its stored object; ``payload`` is the description it was
    created with (bindings, encodings, name); ``byte_count`` is the size of its files.
    """

    dataset_id: str
    tables: dict[str, str]
    byte_count: int
    payload: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def key(self) -> str:
        """Identity of the content: the same dataset with another table is another entry of the cache."""
        return "/".join((self.dataset_id, *(f"{role}:{object_id}" for role, object_id in sorted(self.tables.items()))))


class LoadedDataset(Protocol):
    """A dataset held by an engine, ready to give seats."""

    @property
    def charge_bytes(self) -> int:
        """What it costs the cache's budget."""

    @property
    def load_s(self) -> float:
        """How long loading took, in seconds."""

    @property
    def alive(self) -> bool:
        """Whether it can still give seats."""

    async def take_seat(self, spec: TaskSpec) -> SeatProcess:
        """A seat that has the dataset, walled and waiting. Raises ``RunInterrupted``."""

    async def give_back(self, seat: SeatProcess, spec: TaskSpec) -> None:
        """Take a seat whose run has been answered: to be used again where that is wanted and it can be, else closed."""

    def refill(self) -> None:
        """Make spare seats again, beside the work; called when a run has been answered."""

    async def close(self) -> None:
        """Let go of it, and of every process that has it."""


class Engine(Protocol):
    """Loads datasets."""

    name: str

    async def start(self) -> None:
        """Begin to make ready what loading needs."""

    async def load(self, source: DatasetSource, make_room: MakeRoom) -> LoadedDataset:
        """Load a dataset. ``make_room`` is for engines whose memory can be full before the cache's budget is.

        Raises ``DatasetUnreadable``, ``DatasetTooLarge``, ``Overloaded``, ``RunInterrupted``.
        """

    async def close(self) -> None:
        """End every process of this engine."""
