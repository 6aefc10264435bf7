"""Runs, as their users see them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from deployments.ingress.routes.shapes.base import HexId, Shape, Time
from deployments.ingress.routes.shapes.page import Page
from runtime.receipts import State

RunId = Annotated[HexId, Field(examples=["c1d0f1b8a3d94b0f9d3f1c9a7e5b2a40"])]
Seconds = Annotated[float | None, Field(ge=0, examples=[0.012])]


class FailureShown(Shape):
    """What ended a run."""

    type: str = Field(examples=["TaskError"])
    message: str = Field(examples=["KeyError: 'nothing'"])


class FailureTold(FailureShown):
    """What ended a run, with its traceback, limit or signal."""

    fields: dict[str, Any]


class RunShown(Shape):
    """What was asked for, how the run ended and what it cost. A value that is not known yet is null."""

    run_id: RunId
    dataset_id: HexId = Field(examples=["0a56aa27ec1e4112b1458e960dc6f674"])
    state: State
    cause: str | None = Field(description="`ok`, or the type of the error that ended the run.", examples=["ok"])
    run_label: str | None
    engine: str = Field(examples=["pandas"])
    output_type: str = Field(examples=["json"])
    format: str = Field(examples=["json"])
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    queue_s: Seconds
    seat_s: Seconds
    run_s: Seconds
    encode_s: Seconds
    peak_memory_bytes: int | None = Field(ge=0)
    result_bytes: int | None = Field(ge=0)
    stdout_truncated: bool
    stderr_truncated: bool
    versions: dict[str, str] | None = Field(examples=[{"pandas": "3.0.6"}])


class RunListed(RunShown):
    """A run in the list, without its output."""

    failure: FailureShown | None


class RunReceipt(RunShown):
    """A run."""

    stdout: str
    stderr: str
    failure: FailureTold | None
    source: str | None = Field(description="The task's code, if the operator keeps it; else null.")


class RunPage(Page[RunListed]):
    """Your own runs, newest first."""


class RunCancelled(Shape):
    """The run has ended, by this request or before it."""

    success: Literal[True]
    run_id: RunId
    state: Literal["ended"]
