"""The body of a request to run a task, with this server's maxima."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from deployments.settings import Settings
from runtime.task import EngineName, Format, OutputType


class RunRequest(BaseModel):
    """Body of the endpoint. ``execute`` is the documented field; PyGraphistry sends the next four; unknown keys are
    ignored (contract 4.2). The others are ours (``docs/api.md``)."""

    model_config = ConfigDict(extra="ignore", strict=True)

    execute: str
    engine: EngineName | None = None
    format: Format = "json"
    output_type: OutputType = "json"
    run_label: str | None = None
    run_id: str | None = Field(None, pattern="^[0-9a-f]{32}$")
    timeout_s: float | None = Field(None, gt=0)
    cpu_s: float | None = Field(None, gt=0)
    memory_bytes: int | None = Field(None, gt=0)
    scratch_bytes: int | None = Field(None, ge=0)
    result_bytes: int | None = Field(None, gt=0)


def run_request_model(settings: Settings) -> type[RunRequest]:
    """``RunRequest`` that refuses what is over the operator's maxima."""
    most = settings.maximum
    fields: dict[str, Any] = {
        "execute": (str, Field(max_length=settings.max_source_bytes)),
        "timeout_s": (float | None, Field(None, gt=0, le=most.timeout_s)),
        "cpu_s": (float | None, Field(None, gt=0, le=most.cpu_s)),
        "scratch_bytes": (int | None, Field(None, ge=0, le=most.scratch_bytes)),
        "result_bytes": (int | None, Field(None, gt=0, le=most.result_bytes)),
    }
    if most.memory_bytes is not None:
        fields["memory_bytes"] = (int | None, Field(None, gt=0, le=most.memory_bytes))
    return create_model("RunRequest", __base__=RunRequest, **fields)
