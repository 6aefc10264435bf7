"""What can go wrong when a dataset is loaded or a task is run.

RuntimeFailure
├── InvalidSource            the text does not compile, has no ``task``, or ``task`` has the wrong arity
├── LimitTooHigh             a limit was asked for that is above what this machine allows
├── EngineUnavailable        the engine asked for does not exist on this machine
├── InvalidTable             uploaded bytes are not the table they claim to be
├── DatasetUnreadable        a stored table could not be mapped or built
├── DatasetTooLarge          a dataset does not fit any budget here
├── StorageFull              no room to store a table, or none left of what its owner may store
├── RunExists                another run has the id that the caller chose
├── StoreUnavailable         the store of tables does not answer, or refuses us
├── Overloaded               the queue is full, or the replica is draining
├── RunInterrupted           a process of ours died under the run; nothing was changed, it may be sent again
└── RunFailed                the run started and did not end well
    ├── TaskError            the task raised
    ├── TaskTimeout          the deadline passed
    ├── TaskMemoryExceeded   the run used more memory than it may
    ├── TaskScratchExceeded  the run wrote more to its scratch directory than it may
    ├── TaskCrashed          the process ended without a result (signal, exit code)
    ├── TaskCancelled        somebody entitled cancelled it
    ├── ResultTooLarge       the encoded result is larger than its cap
    └── ResultNotSerializable  the value returned has no encoding

Failures travel between processes and replicas as data (``to_wire`` / ``from_wire``), never as pickles: some of them
were written by a process that ran a stranger's code.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NotRequired, TypedDict, Unpack

# JSON-like values: what orjson can decode. Any, because a recursive alias buys nothing at these boundaries.
Fields = dict[str, Any]

# Fields that an error always has are parameters of its constructor. Those that may be missing are one of these.


class LimitFields(TypedDict, total=False):
    """The limit that was passed. Its name ends in its unit (``memory_bytes``) or says what is counted (``threads``)."""

    limit_name: str
    limit: float
    observed: float


class ExceptionFields(TypedDict, total=False):
    """An exception that the user's code raised (``runtime.traceback`` fills them in)."""

    exception_type: str
    exception_message: str
    traceback: str
    frames: list[Fields]


class SourceFields(TypedDict):
    """A place in the source. ``exception_type``: why it does not compile. ``text``: the source line."""

    exception_type: NotRequired[str]
    line: int  # from 1
    column: int  # from 1
    text: NotRequired[str]


class DatasetFields(LimitFields, total=False):
    dataset_id: str


class MemoryFields(LimitFields, ExceptionFields, total=False):
    pass


class CrashFields(LimitFields, total=False):
    """``signal``: the name of the signal that ended the process."""

    signal: str
    exit_code: int


class RuntimeFailure(Exception):
    """Base of the tree. ``message`` is one readable sentence; ``fields`` are extra keys for the caller (design 5)."""

    registry: ClassVar[dict[str, type["RuntimeFailure"]]] = {}

    def __init__(self, message: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields: Fields = dict(fields or {})

    def __init_subclass__(cls) -> None:
        RuntimeFailure.registry[cls.__name__] = cls

    @property
    def type(self) -> str:
        """Name of the failure on the wire."""
        return type(self).__name__

    def to_wire(self) -> Fields:
        """``{"type", "message", "fields"}``; see ``from_wire``."""
        return {"type": self.type, "message": self.message, "fields": self.fields}

    @staticmethod
    def from_wire(wire: Fields) -> "RuntimeFailure":
        """The failure that ``to_wire`` described. Unknown names become ``TaskCrashed``: they can only be forged."""
        cls = RuntimeFailure.registry.get(str(wire.get("type")), TaskCrashed)
        fields = wire.get("fields")
        failure = cls.__new__(cls)
        # Past the constructor of the class: another release may send fewer fields, or more.
        RuntimeFailure.__init__(failure, str(wire.get("message", "")), fields if isinstance(fields, dict) else {})
        return failure

    def __reduce__(self) -> tuple[Any, ...]:
        return RuntimeFailure.from_wire, (self.to_wire(),)


class InvalidSource(RuntimeFailure):
    """The source does not compile, has no ``task``, or its ``task`` does not take exactly one parameter.

    Fields: ``exception_type``, ``line`` (1-based), ``column`` (1-based), ``text`` (the source line).
    """

    def __init__(self, message: str, **fields: Unpack[SourceFields]) -> None:
        super().__init__(message, fields)


class LimitTooHigh(RuntimeFailure):
    """The request asks for a limit above the operator's maximum.

    Fields: ``limit_name``, ``limit`` (the most allowed), ``observed`` (what was asked for).
    """

    def __init__(self, message: str, *, limit_name: str, limit: float, observed: float) -> None:
        super().__init__(message, {"limit_name": limit_name, "limit": limit, "observed": observed})


class EngineUnavailable(RuntimeFailure):
    """This server was set up without the engine that the request names.

    Fields: ``engine``.
    """

    def __init__(self, message: str, *, engine: str | None) -> None:
        super().__init__(message, {"engine": engine})


class InvalidTable(RuntimeFailure):
    """The uploaded bytes are not a table of the declared type.

    Fields: ``errors`` (list of sentences).
    """

    def __init__(self, message: str, errors: list[str] | None = None) -> None:
        super().__init__(message, {} if errors is None else {"errors": errors})


class DatasetUnreadable(RuntimeFailure):
    """A stored table of the dataset cannot be loaded.

    Fields: ``dataset_id``.
    """


class DatasetTooLarge(RuntimeFailure):
    """The dataset is larger than the dataset cache, or than the space for a node's copies of tables.

    Fields: ``dataset_id``, ``limit_name``, ``limit`` (bytes), ``observed`` (bytes).
    """

    def __init__(self, message: str, **fields: Unpack[DatasetFields]) -> None:
        super().__init__(message, fields)


class StorageFull(RuntimeFailure):
    """The server has no room left to store data, or the owner has reached their own limit.

    Fields: none; where its owner's own limit is reached ``limit_name``, ``limit`` (bytes), ``observed`` (bytes).
    """

    def __init__(self, message: str, **fields: Unpack[LimitFields]) -> None:
        super().__init__(message, fields)


class RunExists(RuntimeFailure):
    """Another run has this ``run_id`` already.

    Fields: ``run_id``.
    """

    def __init__(self, message: str, *, run_id: str) -> None:
        super().__init__(message, {"run_id": run_id})


class StoreUnavailable(RuntimeFailure):
    """The store of tables does not answer. Nothing was changed.

    Fields: ``retry_after_s``. What the store said is the ``__cause__``, for the log only: it names hosts.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, {"retry_after_s": retry_after_s})


class Overloaded(RuntimeFailure):
    """The server is too busy, starting or stopping; for ``cudf`` also: no GPU runner is running.

    Fields: ``retry_after_s``.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, {"retry_after_s": retry_after_s})


class RunInterrupted(RuntimeFailure):
    """A process of the server died during the call. Nothing was changed, so the call can be repeated.

    Fields: ``retry_after_s``.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, {"retry_after_s": retry_after_s})


class RunFailed(RuntimeFailure):
    """Fields: those of design 5 (``run_id``, ``stdout``, ``stderr``, …)."""


class TaskError(RunFailed):
    """The task raised an exception.

    Fields: ``exception_type``, ``exception_message``, ``traceback``, ``frames``.
    """

    def __init__(self, message: str, **fields: Unpack[ExceptionFields]) -> None:
        super().__init__(message, fields)


class TaskTimeout(RunFailed):
    """The run passed its deadline, or used more CPU time than its limit.

    Fields: ``limit_name``, ``limit`` (s), ``observed`` (s).
    """

    def __init__(self, message: str, *, limit_name: str, limit: float, observed: float) -> None:
        super().__init__(message, {"limit_name": limit_name, "limit": limit, "observed": observed})


class TaskMemoryExceeded(RunFailed):
    """The run used more memory than its limit.

    Fields: ``limit_name``, ``limit`` (bytes), ``observed`` (bytes, or absent where the allocation was refused).
    """

    def __init__(self, message: str, **fields: Unpack[MemoryFields]) -> None:
        super().__init__(message, fields)


class TaskScratchExceeded(RunFailed):
    """The run wrote more to its scratch directory than its limit.

    Fields: ``limit_name``, ``limit``, ``observed`` (bytes or files).
    """

    def __init__(self, message: str, *, limit_name: str, limit: float, observed: float) -> None:
        super().__init__(message, {"limit_name": limit_name, "limit": limit, "observed": observed})


class TaskCrashed(RunFailed):
    """The process of the run ended without a result.

    Fields: ``signal`` (name) or ``exit_code``.
    """

    def __init__(self, message: str, **fields: Unpack[CrashFields]) -> None:
        super().__init__(message, fields)


class TaskCancelled(RunFailed):
    """The run was cancelled by its owner.

    Fields: none beyond the common ones.
    """


class ResultTooLarge(RunFailed):
    """The encoded result is larger than its limit.

    Fields: ``limit_name``, ``limit`` (bytes), ``observed`` (bytes, where known).
    """

    def __init__(self, message: str, *, limit_name: str, limit: float, observed: float) -> None:
        super().__init__(message, {"limit_name": limit_name, "limit": limit, "observed": observed})


class ResultNotSerializable(RunFailed):
    """The result cannot be encoded. The error sentence says which value, and where.

    Fields: ``exception_type``, ``exception_message``, where the encoder raised.
    """

    def __init__(self, message: str, **fields: Unpack[ExceptionFields]) -> None:
        super().__init__(message, fields)
