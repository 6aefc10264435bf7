"""The body of a request to run a task, with this server's maxima."""

from copy import copy
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from deployments.settings import Settings
from runtime.task import EngineName, Format, OutputType

_EXECUTE: Final = (
    "Python source with a top-level `task` of one parameter, which gets the graph, a graphistry Plottable."
)
_EXAMPLE: Final = 'def task(g):\n    return {"edges": len(g._edges)}'


class RunRequest(BaseModel):
    """Body of the endpoint. ``execute`` is the documented field; PyGraphistry sends the next four; unknown keys are
    ignored (protocol 4.2). The others are ours (``docs/api.md``)."""

    model_config = ConfigDict(extra="ignore", strict=True)

    execute: str = Field(description=_EXECUTE, examples=[_EXAMPLE])
    engine: EngineName | None = Field(
        None, description="What runs it; by default `cudf` where a GPU runner is running, else `pandas`."
    )
    format: Format = Field("json", description="Of tables.")
    output_type: OutputType = Field("json", description="What is wanted of what the task returns.")
    run_label: str | None = Field(None, description="To find the run again: kept with its receipt and in the audit.")
    run_id: str | None = Field(
        None,
        pattern="^[0-9a-f]{32}$",
        description="An id that no run had before, so that the run can be cancelled while one waits for it.",
    )
    timeout_s: float | None = Field(None, gt=0, description="Deadline in seconds.")
    cpu_s: float | None = Field(None, gt=0, description="The most CPU time of all its threads, in seconds.")
    memory_bytes: int | None = Field(None, gt=0, description="The most memory that it may use.")
    scratch_bytes: int | None = Field(None, ge=0, description="The most that it may write to its scratch directory.")
    result_bytes: int | None = Field(None, gt=0, description="The largest encoded result.")


def run_request_model(settings: Settings) -> type[RunRequest]:
    """``RunRequest`` that refuses what is over the operator's maxima."""
    most = settings.maximum
    fields: dict[str, Any] = {
        "execute": _narrowed("execute", max_length=settings.max_source_bytes),
        "timeout_s": _narrowed("timeout_s", le=most.timeout_s),
        "cpu_s": _narrowed("cpu_s", le=most.cpu_s),
        "scratch_bytes": _narrowed("scratch_bytes", le=most.scratch_bytes),
        "result_bytes": _narrowed("result_bytes", le=most.result_bytes),
    }
    if most.memory_bytes is not None:
        fields["memory_bytes"] = _narrowed("memory_bytes", le=most.memory_bytes)
    return create_model("RunRequest", __base__=RunRequest, **fields)


def _narrowed(name: str, **limits: Any) -> tuple[Any, FieldInfo]:
    """The field as it is, with limits that it has here."""
    known = RunRequest.model_fields[name]
    field = copy(known)
    field.metadata = [*known.metadata, *Field(**limits).metadata]
    return known.annotation, field
