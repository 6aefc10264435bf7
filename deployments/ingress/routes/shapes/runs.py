"""Runs, as their sender sees them."""

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
    """What was asked for, how it ended, what it cost. What is not known, or not yet, is null."""

    run_id: RunId
    dataset_id: HexId = Field(examples=["0a56aa27ec1e4112b1458e960dc6f674"])
    state: State
    cause: str | None = Field(description="`ok`, or the type of what ended it.", examples=["ok"])
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
    """A run in the list, without what it printed."""

    failure: FailureShown | None


class RunReceipt(RunShown):
    """A run."""

    stdout: str
    stderr: str
    failure: FailureTold | None
    source: str | None = Field(description="The code, where the operator keeps it.")


class RunPage(Page[RunListed]):
    """One's own runs, newest first."""


class RunCancelled(Shape):
    """The run has ended, by this or before."""

    success: Literal[True]
    run_id: RunId
    state: Literal["ended"]
