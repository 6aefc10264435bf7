"""How a run ended, from what its seat says of itself: taken at its word only where a lie would hurt nobody but the
caller."""

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
"""Of what a failure tells: a list of frames, each an object, is 3."""

_TELLABLE: Final = (RunFailed, InvalidSource)
"""The failures that a seat may report of itself; the others are the replica's to say."""


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
    """What a seat's answer says, without the result itself, of which there are ``length`` bytes where it says so.

    Raises ``ProtocolError``, ``KeyError``, ``TypeError`` or ``ValueError`` for an answer that is none.
    """
    run_s = _seconds(answer["run_s"], limits)
    if answer["status"] != "ok":
        failure = RuntimeFailure.from_wire(_told(answer["failure"]))
        if not isinstance(failure, _TELLABLE):
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
        text = "the process that ran this task ended with its holder; nothing was changed, send the request again"
        return RunInterrupted(text, retry_after_s=1)
    if main_thread_exited and code == -signal.SIGKILL:
        return TaskCrashed("the task ended its process's first thread, and left others running", signal="SIGKILL")
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals._value2member_map_ else f"signal {-code}"
        return TaskCrashed(f"the task's process was ended by {name}", signal=name)
    return TaskCrashed(f"the task's process ended with exit code {code} and no result", exit_code=code)


def _seconds(told: Any, limits: Limits) -> float:
    """A time that a seat tells, within reason. Raises ``ProtocolError``."""
    if type(told) not in (int, float) or not math.isfinite(told):
        raise ProtocolError("not a time")
    return min(max(float(told), 0.0), limits.timeout_s + 1)


def _told(failure: Any) -> Message:
    """A failure as a seat tells it: of the shape that all have, and flat enough to be passed on.

    Raises ``ProtocolError``.
    """
    if type(failure) is not dict or type(failure.get("message")) is not str or type(failure.get("type")) is not str:
        raise ProtocolError("not a failure")
    if type(failure.get("fields")) is not dict or _depth(failure["fields"]) > DEEPEST_FIELDS:
        raise ProtocolError("not the fields of a failure")
    return failure


def _depth(value: Any) -> int:
    """How deeply lists and objects are nested; looks no deeper than it has to."""
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
