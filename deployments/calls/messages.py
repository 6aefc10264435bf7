"""The messages between an ingress and a runner: the call that asks for a run, its reply, and the offer of a slot.

All are dicts of JSON values, and ``content`` is bytes: Serve pickles them whole, and a direct call sends JSON with the
bytes behind it. Every key is always there, so that a type checker finds a forgotten one.
"""

from typing import Any, TypedDict

from runtime.errors import Fields
from runtime.results.kinds import ResultKind
from runtime.run_report import RunCost, RunOutput
from runtime.sandbox.host.large_result import ResultLocation
from runtime.task import EngineName, Task


class DatasetCall(TypedDict):
    """The dataset of a run, as ``DatasetSource`` describes it.

    ``payload`` is None if it is long. A runner that has to load the dataset then asks for it (``needs_description``).
    """

    dataset_id: str
    tables: dict[str, str]
    byte_count: int
    payload: dict[str, Any] | None


class RunCall(TypedDict):
    """A run. ``limits`` has those that the request names; the runner's settings have the others.

    ``user``: whose turn it takes. ``owner``: the user whose runs may reuse its process, if they may.
    """

    run_id: str
    dataset: DatasetCall
    task: Task
    limits: dict[str, float]
    engine: EngineName
    user: str
    owner: str | None


class KeptResult(TypedDict):
    """A result too large for the reply. ``replica`` keeps it until it is fetched, for a minute at most.

    ``location`` is its file, for an ingress that may open it.
    """

    replica: str
    length: int
    location: ResultLocation | None


class RunReply(TypedDict):
    """How a run ended.

    ``needs_description``: the task did not start, and the run has to be sent again with the dataset's payload. Else
    exactly one of ``failure``, the wire form of a ``RuntimeFailure``, and ``kind`` is None. ``cost`` is None if the
    task never started. ``output`` is None if a successful task printed nothing. The result is ``content``, unless it
    is ``kept``.
    """

    failure: Fields | None
    cost: RunCost | None
    versions: dict[str, str]
    output: RunOutput | None
    kind: ResultKind | None
    labels_dropped: bool
    needs_description: bool
    content: bytes
    kept: KeptResult | None


class Address(TypedDict):
    """How to connect to a runner for direct calls: the name of its socket, and the secret to say first."""

    name: str
    secret: str


class SlotOffer(TypedDict):
    """What a replica says when it opens a slot. ``address`` is None while it takes no direct calls."""

    replica: str
    address: Address | None
    slot: int


def refused(failure: Fields | None, *, needs_description: bool = False) -> RunReply:
    """Return the reply to a call whose task did not start, because of a failure or for want of a description."""
    return {
        "failure": failure,
        "cost": None,
        "versions": {},
        "output": None,
        "kind": None,
        "labels_dropped": False,
        "needs_description": needs_description,
        "content": b"",
        "kept": None,
    }
