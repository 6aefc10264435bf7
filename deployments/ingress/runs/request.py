"""The body of a request to run a task, with this server's maxima, and the messages that it becomes."""

from copy import copy
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from deployments.calls.messages import DatasetCall, RunCall
from deployments.ingress.fields import MOST_TITLE, CutAt, MostJson, Seconds, Whole
from deployments.settings import REQUESTABLE, Settings
from runtime.datasets.records import DatasetRecord
from runtime.receipts import NewRun
from runtime.results.kinds import Format, OutputType
from runtime.task import EngineName

MOST_ALONG_BYTES: Final = 8 * 1024
"""A longer description of a dataset does not travel with every run, but only to a runner that has to load it."""

_EXECUTE: Final = "Python source with a top-level function `task` of one parameter: the graph, a graphistry Plottable."
_EXAMPLE: Final = 'def task(g):\n    return {"edges": len(g._edges)}'


class RunRequest(BaseModel):
    """Body of the endpoint. ``execute`` is the documented field; PyGraphistry sends the next four; unknown keys are
    ignored (protocol 4.2). The others are ours (``docs/api.md``)."""

    model_config = ConfigDict(extra="ignore", strict=True)

    execute: str = Field(description=_EXECUTE, examples=[_EXAMPLE])
    engine: EngineName | None = Field(
        None, description="Engine of the run. Default: `cudf` if a GPU runner is running, else `pandas`."
    )
    format: Format = Field("json", description="Encoding of table results: json, csv or parquet.")
    output_type: OutputType = Field("json", description="The part of the task's return value that is the result.")
    run_label: Annotated[str, CutAt(MOST_TITLE)] | None = Field(
        None, description="A label of your choice; stored with the run and in the audit log."
    )
    run_id: str | None = Field(
        None,
        pattern="^[0-9a-f]{32}$",
        max_length=32,
        description="An id that no run has yet. With it you can cancel the run while you wait for its result.",
    )
    timeout_s: Seconds | None = Field(None, gt=0, description="Deadline of the run in seconds.")
    cpu_s: Seconds | None = Field(None, gt=0, description="Most CPU time of all threads together, in seconds.")
    memory_bytes: Whole | None = Field(None, gt=0, description="Most memory that the run may use.")
    scratch_bytes: Whole | None = Field(None, description="Most bytes in the run's scratch directory.")
    result_bytes: Whole | None = Field(None, gt=0, description="Largest encoded result.")
    threads: Whole | None = Field(None, gt=0, description="Most threads of the run, its first one included.")
    cpus: Whole | None = Field(
        None, gt=0, description="Processors that libraries compute with, in threads of their own."
    )


def run_request_model(settings: Settings) -> type[RunRequest]:
    """Return a ``RunRequest`` that refuses limits above the operator's maxima."""
    annotation, source = _narrowed("execute", max_length=settings.max_source_bytes)
    # Characters that JSON escapes, or that have several bytes, could make it too long for the frame to a seat.
    source.metadata = [MostJson(2 * settings.max_source_bytes), *source.metadata]
    fields: dict[str, Any] = {"execute": (annotation, source)}
    for name in REQUESTABLE:
        most = getattr(settings.maximum, name)
        if most is not None:
            fields[name] = _narrowed(name, le=most)
    return create_model("RunRequest", __base__=RunRequest, **fields)


def to_message(
    body: RunRequest,
    record: DatasetRecord,
    run_id: str,
    engine: EngineName,
    *,
    accepts_text: bool,
    user: str,
    may_reuse: bool,
) -> RunCall:
    """Return the call that a runner gets. ``may_reuse``: the run may have a process of the user's earlier runs."""
    return {
        "run_id": run_id,
        "dataset": _dataset(record),
        "task": {
            "source": body.execute,
            "output_type": body.output_type,
            "format": body.format,
            "accepts_text": accepts_text,
        },
        "limits": {name: value for name in REQUESTABLE if (value := getattr(body, name)) is not None},
        "engine": engine,
        "user": user,
        "owner": user if may_reuse else None,
    }


def to_receipt(body: RunRequest, call: RunCall, owner_id: int, *, keep_source: bool) -> NewRun:
    """Return the beginning of the run's receipt."""
    return NewRun(
        id=call["run_id"],
        owner_id=owner_id,
        dataset_id=call["dataset"]["dataset_id"],
        engine=call["engine"],
        output_type=body.output_type,
        format=body.format,
        run_label=body.run_label,
        source=body.execute if keep_source else None,
    )


def _dataset(record: DatasetRecord) -> DatasetCall:
    return {
        "dataset_id": record.id,
        "tables": {role: table.id for role, table in record.tables.items()},
        "byte_count": sum(table.byte_count for table in record.tables.values()),
        "payload": description_of(record) if record.payload_bytes <= MOST_ALONG_BYTES else None,
    }


def description_of(record: DatasetRecord) -> dict[str, Any]:
    """Return what the task sees as the dataset's description."""
    return {**record.payload, "dataset_id": record.id}


def _narrowed(name: str, **limits: Any) -> tuple[Any, FieldInfo]:
    """Return the field with additional limits."""
    known = RunRequest.model_fields[name]
    field = copy(known)
    field.metadata = [*known.metadata, *Field(**limits).metadata]
    return known.annotation, field
