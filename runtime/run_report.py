"""What a runner reports of a run that started: its cost and its output.

Both are plain dicts from the executor to the receipt. Their keys are columns of the table ``runs`` and keys of the API.
"""

from typing import Final, TypedDict


class RunCost(TypedDict):
    """Times in seconds, sizes in bytes. ``seat_s`` is the wait for a process that has the dataset."""

    queue_s: float
    seat_s: float
    run_s: float
    encode_s: float
    peak_memory_bytes: int
    result_bytes: int


class RunOutput(TypedDict):
    """What the task printed. A text that is too long has its first and its last half, and is marked as truncated."""

    stdout: str
    stderr: str
    stdout_truncated: bool
    stderr_truncated: bool


COST_KEYS: Final = tuple(RunCost.__annotations__)
NO_OUTPUT: Final[RunOutput] = {"stdout": "", "stderr": "", "stdout_truncated": False, "stderr_truncated": False}


def phases(cost: RunCost) -> dict[str, float]:
    """Return the seconds of each phase of a run, in their order."""
    return {"queue": cost["queue_s"], "seat": cost["seat_s"], "run": cost["run_s"], "encode": cost["encode_s"]}
