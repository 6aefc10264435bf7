"""Tasks, calls and replies as tests send them: whole, with only what matters to the test named."""

from typing import Any, cast
from uuid import uuid4

from deployments.calls.messages import RunCall, RunReply
from deployments.settings import LimitSettings
from runtime.run_report import RunCost
from runtime.task import EngineName, Limits, Task, TaskSpec
from tests.waiting import WITHIN_S

COST: RunCost = {
    "queue_s": 0.001,
    "seat_s": 0.002,
    "run_s": 0.003,
    "encode_s": 0.004,
    "peak_memory_bytes": 0,
    "result_bytes": 1,
}


def limits(**changed: Any) -> Limits:
    """The default limits, but with time enough on any machine, and with changes."""
    return Limits(**(LimitSettings().model_dump() | {"threads": 64, "timeout_s": WITHIN_S} | changed))


def task(source: str = "", **changed: Any) -> Task:
    """A task whose result is JSON, with changes."""
    made: Task = {"source": source, "output_type": "json", "format": "json", "accepts_text": True}
    return cast(Task, made | changed)


def spec(
    source: str = "", run_id: str | None = None, owner: str | None = None, user: str | None = None, **changed: Any
) -> TaskSpec:
    """A run of a task, of a user who has no other. ``changed`` are fields of ``Limits`` and keys of ``Task``."""
    of_limits = {name: changed.pop(name) for name in list(changed) if name in Limits.__dataclass_fields__}
    return TaskSpec(run_id or uuid4().hex, task(source, **changed), limits(**of_limits), user or uuid4().hex, owner)


def run_call(engine: EngineName = "pandas", dataset_id: str = "d") -> RunCall:
    """A call of an ingress."""
    return {
        "run_id": "r",
        "dataset": {"dataset_id": dataset_id, "tables": {}, "byte_count": 0, "payload": {}},
        "task": task(),
        "limits": {},
        "engine": engine,
        "user": "1",
        "owner": None,
    }


def run_reply(**changed: Any) -> RunReply:
    """The reply of a runner whose task returned 1, with changes."""
    made: RunReply = {
        "failure": None,
        "cost": COST,
        "versions": {},
        "output": None,
        "kind": "json",
        "labels_dropped": False,
        "needs_description": False,
        "content": b"1",
        "kept": None,
    }
    return cast(RunReply, made | changed)
