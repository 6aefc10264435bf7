"""How a run ended, from the answer of its seat.

The answer may be forged, so the host believes only what can harm nobody but the caller.
"""

import math
import signal
from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import (
    InvalidSource,
    ResultTooLarge,
    RunFailed,
    RunInterrupted,
    RuntimeFailure,
    TaskCrashed,
)
from runtime.results.kinds import RESULT_KINDS, ResultKind
from runtime.sandbox.host.large_result import LargeResult
from runtime.sandbox.protocol import Message, ProtocolError
from runtime.task import Limits

DEEPEST_FIELDS: Final = 8
"""Deepest nesting of a failure's fields. A list of frames, each an object, is 3 deep."""

_REPORTABLE: Final = (RunFailed, InvalidSource)
"""The failures that a seat may report. The host alone reports the others."""


@dataclass(slots=True)
class RunOutcome:
    """How a run ended. Exactly one of ``failure`` and ``kind`` is set; times are seconds, sizes bytes."""

    failure: RuntimeFailure | None = None
    kind: ResultKind | None = None
    result: bytes | LargeResult = b""
    length: int = 0
    stdout: str = ""
    stderr: str = ""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    run_s: float = 0.0
    encode_s: float = 0.0
    peak_memory_bytes: int = 0

    @property
    def cause(self) -> str:
        """One word for logs and metrics: ``ok``, or the failure's type."""
        return self.failure.type if self.failure else "ok"


def outcome_of(answer: Message, limits: Limits) -> RunOutcome:
    """Return the outcome that an answer describes. The result itself is not in it, only its ``length``.

    Raises ``ProtocolError``, ``KeyError``, ``TypeError`` or ``ValueError`` for a malformed answer.
    """
    run_s = _seconds(answer["run_s"], limits)
    if answer["status"] != "ok":
        failure = RuntimeFailure.from_wire(_checked_failure(answer["failure"]))
        if not isinstance(failure, _REPORTABLE):
            raise ProtocolError("not a failure of a task")
        return RunOutcome(failure=failure, run_s=run_s)
    kind, length = answer["kind"], answer["length"]
    if kind not in RESULT_KINDS or type(length) is not int or length < 0:
        raise ProtocolError("not an answer")
    if length > limits.result_bytes:
        limit = limits.result_bytes
        text = f"the result is larger than its limit of {limit} bytes"
        return RunOutcome(failure=ResultTooLarge(text, limit_name="result_bytes", limit=limit, observed=length))
    return RunOutcome(kind=kind, length=length, run_s=run_s, encode_s=_seconds(answer["encode_s"], limits))


def crash(code: int | None, *, main_thread_exited: bool) -> RuntimeFailure:
    """Name the end of a process that gave no answer.

    ``main_thread_exited``: we killed it because its first thread had ended and others went on.
    """
    if code is None:
        text = "the process that ran this task ended; nothing was changed, send the request again"
        return RunInterrupted(text, retry_after_s=1)
    if main_thread_exited and code == -signal.SIGKILL:
        text = "the task ended the main thread of its process and left other threads running"
        return TaskCrashed(text, signal="SIGKILL")
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals._value2member_map_ else f"signal {-code}"
        return TaskCrashed(f"the task's process was ended by {name}", signal=name)
    return TaskCrashed(f"the task's process ended with exit code {code} and no result", exit_code=code)


def _seconds(value: Any, limits: Limits) -> float:
    """Return a time from an answer, bounded by the deadline. Raise ``ProtocolError``."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ProtocolError("not a time")
    return min(max(float(value), 0.0), limits.timeout_s + 1)


def _checked_failure(failure: Any) -> Message:
    """Return a failure from an answer. Raise ``ProtocolError`` if its shape is wrong or it is nested too deeply."""
    if type(failure) is not dict or type(failure.get("message")) is not str or type(failure.get("type")) is not str:
        raise ProtocolError("not a failure")
    if type(failure.get("fields")) is not dict or _depth(failure["fields"]) > DEEPEST_FIELDS:
        raise ProtocolError("not the fields of a failure")
    return failure


def _depth(value: Any) -> int:
    """Return how deeply lists and objects are nested, counting no further than ``DEEPEST_FIELDS`` and one."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST_FIELDS:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return depth
