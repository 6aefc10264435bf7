"""A task as it is asked for: source text, how its result is wanted, and within which limits."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

EngineName = Literal["pandas", "cudf"]
OutputType = Literal["json", "all", "nodes", "edges", "table", "shape"]
Format = Literal["json", "csv", "parquet"]

ENGINES: Final[tuple[str, ...]] = get_args(EngineName)
OUTPUT_TYPES: Final[tuple[str, ...]] = get_args(OutputType)
FORMATS: Final[tuple[str, ...]] = get_args(Format)

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. A run that exceeds one is ended and told which (design 5b)."""

    timeout_s: float = 60.0
    cpu_s: float = 120.0
    memory_bytes: int = 2048 * MIB
    scratch_bytes: int = 256 * MIB
    scratch_files: int = 1000
    result_bytes: int = 512 * MIB
    output_bytes: int = 1 * MIB
    open_files: int = 1024
    threads: int = 64


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One request to run a task.

    ``accepts_text`` says whether a ``str`` result may be answered as ``text/plain``; otherwise it becomes a JSON string
    (protocol 4.6, the string dilemma). ``owner``: who may be given the process of an earlier run of theirs, and whose
    later runs may be given this one's; None for a process that nobody had, or will have.
    """

    run_id: str
    source: str
    output_type: OutputType = "json"
    format: Format = "json"
    accepts_text: bool = True
    limits: Limits = Limits()
    owner: str | None = None
