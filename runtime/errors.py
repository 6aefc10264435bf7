"""What can go wrong when a dataset is loaded or a task is run. Each class says what it means.

RuntimeFailure
├── InvalidSource
├── LimitTooHigh
├── EngineUnavailable
├── InvalidTable
├── DatasetUnreadable
├── DatasetTooLarge
├── StorageFull
├── RunExists
├── StoreUnavailable
├── Overloaded
├── RunInterrupted
└── RunFailed
    ├── TaskError
    ├── TaskTimeout
    ├── TaskMemoryExceeded
    ├── TaskScratchExceeded
    ├── TaskCrashed
    ├── TaskCancelled
    ├── ResultTooLarge
    └── ResultNotSerializable

Failures travel between processes and replicas as data (``to_wire`` / ``from_wire``), never as pickles of a process that
ran a stranger's code.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NotRequired, TypedDict, Unpack

from runtime.text import legal_text

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


class RefusalFields(LimitFields, ExceptionFields, total=False):
    """A limit, and the exception with which the task ended if the limit refused what the task asked for."""


class CrashFields(LimitFields, total=False):
    """``signal``: the name of the signal that ended the process."""

    signal: str
    exit_code: int


class RuntimeFailure(Exception):
    """Base of the tree. ``message`` is one readable sentence; ``fields`` are more keys of the error's JSON."""

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
        """Return ``{"type", "message", "fields"}``; see ``from_wire``."""
        return {"type": self.type, "message": self.message, "fields": self.fields}

    @staticmethod
    def from_wire(wire: Fields) -> "RuntimeFailure":
        """Return the failure that ``to_wire`` described. An unknown name is forged and becomes ``TaskCrashed``."""
        cls = RuntimeFailure.registry.get(str(wire.get("type")), TaskCrashed)
        fields = wire.get("fields")
        failure = cls.__new__(cls)
        # Past the constructor of the class: another release may send fewer fields, or more.
        RuntimeFailure.__init__(failure, str(wire.get("message", "")), fields if isinstance(fields, dict) else {})
        return failure

    def __reduce__(self) -> tuple[Any, ...]:
        return RuntimeFailure.from_wire, (self.to_wire(),)


class InvalidSource(RuntimeFailure):
    """The source does not compile, has no ``task``, or its ``task`` does not take exactly one parameter."""

    def __init__(self, message: str, **fields: Unpack[SourceFields]) -> None:
        super().__init__(message, fields)


class LimitTooHigh(RuntimeFailure):
    """The request asks for a limit above the operator's maximum."""

    def __init__(self, message: str, *, limit_name: str, limit: float, observed: float) -> None:
        super().__init__(message, {"limit_name": limit_name, "limit": limit, "observed": observed})


class EngineUnavailable(RuntimeFailure):
    """This server does not have the engine that the request names, or cannot use it."""

    def __init__(self, message: str, *, engine: str | None) -> None:
        super().__init__(message, {"engine": engine})


class InvalidTable(RuntimeFailure):
    """The uploaded bytes are not a table of the declared type."""

    def __init__(self, message: str, errors: list[str] | None = None) -> None:
        super().__init__(message, {} if errors is None else {"errors": errors})


class DatasetUnreadable(RuntimeFailure):
    """A stored table of the dataset cannot be loaded."""

    @staticmethod
    def by_table(error: Exception) -> "DatasetUnreadable":
        return DatasetUnreadable(f"the stored table cannot be read: {error}")

    @staticmethod
    def by_loading(error: Exception) -> "DatasetUnreadable":
        why = f"the dataset cannot be loaded: {type(error).__name__}: {error}"
        return DatasetUnreadable(legal_text(why[:500]))

    @staticmethod
    def by_timeout(seconds: float) -> "DatasetUnreadable":
        return DatasetUnreadable(f"the dataset did not load within {seconds:g} s")


class DatasetTooLarge(RuntimeFailure):
    """The dataset is larger than the dataset cache, or than the space for a node's copies of tables."""

    def __init__(self, message: str, **fields: Unpack[DatasetFields]) -> None:
        super().__init__(message, fields)


class StorageFull(RuntimeFailure):
    """The server has no room left to store data, or the owner has reached their own limit."""

    def __init__(self, message: str, **fields: Unpack[LimitFields]) -> None:
        super().__init__(message, fields)


class RunExists(RuntimeFailure):
    """Another run has this ``run_id`` already."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is a run {run_id} already; choose another id", {"run_id": run_id})


class StoreUnavailable(RuntimeFailure):
    """The store of tables does not answer. Nothing was changed.

    The ``__cause__`` is what the store said. It is for the log only, because it names hosts.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, {"retry_after_s": retry_after_s})


class Overloaded(RuntimeFailure):
    """The server is too busy, starting or stopping; for ``cudf`` also: no GPU runner is running."""

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, {"retry_after_s": retry_after_s})


class RunInterrupted(RuntimeFailure):
    """A process of the server died during the call. Nothing was changed, so the call can be repeated."""

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, {"retry_after_s": retry_after_s})


class RunFailed(RuntimeFailure):
    """The run started and did not end well. The ingress adds ``run_id``, ``stdout`` and ``stderr``."""


class TaskError(RunFailed):
    """The task raised an exception."""

    def __init__(self, message: str, **fields: Unpack[ExceptionFields]) -> None:
        super().__init__(message, fields)


class TaskTimeout(RunFailed):
    """The run passed its deadline, or used more CPU time than its limit."""

    def __init__(self, message: str, *, limit_name: str, limit: float, observed: float) -> None:
        super().__init__(message, {"limit_name": limit_name, "limit": limit, "observed": observed})


class TaskMemoryExceeded(RunFailed):
    """The run used more memory than its limit.

    ``observed`` is missing if an allocation was refused.
    """

    def __init__(self, message: str, **fields: Unpack[RefusalFields]) -> None:
        super().__init__(message, fields)


class TaskScratchExceeded(RunFailed):
    """The run wrote more to its scratch directory than its limit allows.

    ``observed`` is missing if a write was refused.
    """

    def __init__(self, message: str, **fields: Unpack[RefusalFields]) -> None:
        super().__init__(message, fields)


class TaskCrashed(RunFailed):
    """The process of the run ended without a result."""

    def __init__(self, message: str, **fields: Unpack[CrashFields]) -> None:
        super().__init__(message, fields)


class TaskCancelled(RunFailed):
    """The run was cancelled by its owner, or its caller's log-in ended."""


class ResultTooLarge(RunFailed):
    """The encoded result is larger than its limit."""

    def __init__(self, message: str, *, limit_name: str, limit: float, observed: float) -> None:
        super().__init__(message, {"limit_name": limit_name, "limit": limit, "observed": observed})


class ResultNotSerializable(RunFailed):
    """The result cannot be encoded. The error sentence says which value, and where."""

    def __init__(self, message: str, **fields: Unpack[ExceptionFields]) -> None:
        super().__init__(message, fields)
