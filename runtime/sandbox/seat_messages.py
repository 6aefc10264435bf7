"""The messages between the host and a seat about one run: a request down, an answer up, each one JSON frame.

These types hold both sides to the same keys. The host still checks every value of an answer, since the task may have
forged it (``host/outcome.py``).
"""

from typing import Any, Literal, NotRequired, TypedDict

from runtime.results.kinds import ResultKind
from runtime.task import Task


class SeatRequest(TypedDict):
    """A run. ``keep``: the process waits for another run afterwards. ``token``: the answer must repeat it."""

    token: str | None
    keep: bool
    task: Task
    cpu_s: float
    memory_bytes: int
    scratch_bytes: int
    result_bytes: int
    threads: int
    cpus: int


class SeatSuccess(TypedDict):
    """The result's file holds ``length`` bytes of ``kind``; times are in seconds.

    ``labels_dropped``: the result has an index, which no format sends (``results/labels.py``).
    ``reusable``: a process that may be kept is back at its beginning.
    """

    token: str | None
    status: Literal["ok"]
    kind: ResultKind
    length: int
    run_s: float
    encode_s: float
    reusable: NotRequired[bool]
    labels_dropped: bool


class SeatFailure(TypedDict):
    """The run failed. ``failure`` is the wire form of a ``RuntimeFailure``."""

    token: str | None
    status: Literal["failed"]
    failure: dict[str, Any]
    run_s: float


SeatAnswer = SeatSuccess | SeatFailure
