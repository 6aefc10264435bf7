"""The interface of engines. Engines differ in how they hold a dataset, and in how a seat gets it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from runtime.engines.rewound_places import RewoundPlaces
from runtime.sandbox.host.seat import SeatProcess
from runtime.task import EngineName, TaskSpec

MakeRoom = Callable[[], Awaitable[bool]]
"""Closes the dataset that was used least recently; returns False if all are in use."""


class DescriptionNeeded(Exception):
    """The dataset has to be loaded, and its description did not come along. The caller sends it and asks again."""


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A dataset as an engine loads it.

    ``tables`` maps a role (``edges``, ``nodes``) to the id of its stored object; ``payload`` is the description that
    the dataset was created with (bindings, encodings, name), which never changes; ``byte_count`` is the size of its
    files. ``payload`` is None if the description is long: then only a dataset that is loaded already can be used.
    """

    dataset_id: str
    tables: dict[str, str]
    byte_count: int
    payload: dict[str, Any] | None = field(default_factory=dict, compare=False, repr=False)

    def description(self) -> dict[str, Any]:
        """Return the payload. Raise ``DescriptionNeeded`` if it did not come along."""
        if self.payload is None:
            raise DescriptionNeeded(self.dataset_id)
        return self.payload

    @property
    def key(self) -> str:
        """Identifies the content: the same dataset with another table is another entry of the cache."""
        return "/".join((self.dataset_id, *(f"{role}:{object_id}" for role, object_id in sorted(self.tables.items()))))


class LoadedDataset(Protocol):
    """A dataset that an engine holds, ready to provide seats."""

    @property
    def charge_bytes(self) -> int:
        """Bytes that count against the cache's budget."""

    @property
    def load_s(self) -> float:
        """Seconds that loading took."""

    @property
    def alive(self) -> bool:
        """Return whether it can still provide seats."""

    async def take_seat(self, spec: TaskSpec) -> SeatProcess:
        """Return a seat that has the dataset, walled and waiting. Raises ``RunInterrupted``."""

    async def give_back(self, seat: SeatProcess, spec: TaskSpec) -> None:
        """Take back a seat after its run: keep it for another run if that is wanted and possible, else close it."""

    def refill(self) -> None:
        """Make missing spare seats in the background. Called after each run."""

    async def close(self) -> None:
        """Free the dataset, and end the processes that hold it."""


class Engine(Protocol):
    """Loads datasets."""

    name: EngineName

    rewound: RewoundPlaces | None
    """The places of its rewound seats, which live in what datasets leave of the cache's budget; None: it has none."""

    async def start(self) -> None:
        """Begin to prepare what loading needs, in the background."""

    async def load(self, source: DatasetSource, make_room: MakeRoom) -> LoadedDataset:
        """Load a dataset. Engines whose memory may be full before the cache's budget is call ``make_room``.

        Raises ``DatasetUnreadable``, ``DatasetTooLarge``, ``Overloaded``, ``RunInterrupted``.
        """

    async def close(self) -> None:
        """End every process of this engine."""
