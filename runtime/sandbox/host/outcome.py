"""How a run ended, from the answer of its seat.

The answer may be forged, so the host believes only what can harm nobody but the caller.
"""

import math
import signal
from dataclasses import dataclass
from typing import Any

from runtime.errors import ResultTooLarge, RunInterrupted, RuntimeFailure, TaskCrashed
from runtime.results.kinds import RESULT_KINDS, ResultKind
from runtime.sandbox.host.large_result import LargeResult
from runtime.sandbox.host.task_failures import validated_task_failure
from runtime.sandbox.protocol import Message, ProtocolError
from runtime.task import Limits


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
    labels_dropped: bool = False

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
        return RunOutcome(failure=validated_task_failure(answer["failure"]), run_s=run_s)
    length, kind = answer["length"], next((kind for kind in RESULT_KINDS if kind == answer["kind"]), None)
    if kind is None or type(length) is not int or length < 0:
        raise ProtocolError("not an answer")
    if length > limits.result_bytes:
        limit = limits.result_bytes
        text = f"the result is larger than its limit of {limit} bytes"
        return RunOutcome(failure=ResultTooLarge(text, limit_name="result_bytes", limit=limit, observed=length))
    return RunOutcome(
        kind=kind,
        length=length,
        run_s=run_s,
        encode_s=_seconds(answer["encode_s"], limits),
        labels_dropped=answer.get("labels_dropped") is True,
    )


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
