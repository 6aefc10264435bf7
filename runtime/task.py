"""A task as a caller asks for it: its source, the form of its result, and the limits of its run."""

import os
from dataclasses import dataclass
from typing import Final, Literal, TypedDict, get_args

from runtime.results.kinds import Format, OutputType

EngineName = Literal["pandas", "cudf"]

CPU_ENGINE: Final = "pandas"
"""The engine that every server has."""

GPU_ENGINE: Final = "cudf"

ENGINES: Final[tuple[EngineName, ...]] = get_args(EngineName)

MIB: Final = 1024 * 1024


MOST_SOURCE_BYTES: Final = 2 * MIB - 32 * 1024
"""The longest source that an operator may allow. As JSON, twice as long at most, it fits into a frame to a seat."""

SPARE_THREADS: Final = 10
"""Threads of a run besides one for each core: its first, and those that wait: of Python's own thread pools, of
duckdb (8) and polars (5)."""


def usual_threads() -> int:
    """Return the threads that a run on this machine can use."""
    return (os.cpu_count() or 1) + SPARE_THREADS


def send_with(engine: str) -> str:
    """Return the half sentence that tells a caller how to ask for another engine."""
    return f'send the request with "engine": "{engine}" (PyGraphistry: engine="{engine}")'


class Task(TypedDict):
    """What a seat needs to know of a task. It goes from the ingress to the seat as it is.

    ``accepts_text`` says whether a ``str`` result may be answered as ``text/plain``; otherwise it becomes a JSON string
    (protocol 4.6, the string dilemma).
    """

    source: str
    output_type: OutputType
    format: Format
    accepts_text: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. A run that exceeds a limit is ended, and its error names the limit."""

    timeout_s: float
    cpu_s: float
    memory_bytes: int
    scratch_bytes: int
    scratch_files: int
    result_bytes: int
    output_bytes: int
    open_files: int
    threads: int
    cpus: int


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One run: a task with its limits.

    ``user`` is whose turn it takes. ``owner`` is the user whose runs may reuse this run's process; None gives the run a
    process of its own.
    """

    run_id: str
    task: Task
    limits: Limits
    user: str
    owner: str | None = None
