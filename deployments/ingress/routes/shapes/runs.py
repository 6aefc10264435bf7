"""Runs, as their users see them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from deployments.ingress.fields import MostBySetting, MostJson, Prose, Seconds, Title, Versions, Whole, Word
from deployments.ingress.routes.shapes.base import HexId, Shape, Time
from deployments.ingress.routes.shapes.page import Page
from runtime.cutting import FAILURE_BYTES
from runtime.receipts import State

RunId = Annotated[HexId, Field(examples=["c1d0f1b8a3d94b0f9d3f1c9a7e5b2a40"])]
Duration = Annotated[Seconds | None, Field(examples=[0.012])]


class FailureShown(Shape):
    """What ended a run."""

    type: Word = Field(examples=["TaskError"])
    message: Prose = Field(examples=["KeyError: 'nothing'"])


class FailureTold(FailureShown):
    """What ended a run, with its traceback, limit or signal."""

    fields: Annotated[dict[str, Any], MostJson(FAILURE_BYTES)]


class RunShown(Shape):
    """What was asked for, how the run ended and what it cost. A value that is not known yet is null."""

    run_id: RunId
    dataset_id: HexId = Field(examples=["0a56aa27ec1e4112b1458e960dc6f674"])
    state: State
    cause: Word | None = Field(description="`ok`, or the type of the error that ended the run.", examples=["ok"])
    run_label: Title | None
    engine: Word = Field(examples=["pandas"])
    output_type: Word = Field(examples=["json"])
    format: Word = Field(examples=["json"])
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    queue_s: Duration
    seat_s: Duration
    run_s: Duration
    encode_s: Duration
    peak_memory_bytes: Whole | None
    result_bytes: Whole | None
    stdout_truncated: bool
    stderr_truncated: bool
    versions: Versions | None = Field(examples=[{"pandas": "3.0.6"}])


class RunListed(RunShown):
    """A run in the list, without its output."""

    failure: FailureShown | None


class RunReceipt(RunShown):
    """A run."""

    stdout: Annotated[str, MostBySetting("receipt_output_bytes")]
    stderr: Annotated[str, MostBySetting("receipt_output_bytes")]
    failure: FailureTold | None
    source: Annotated[str, MostBySetting("max_source_bytes")] | None = Field(
        description="The task's code, if the operator keeps it; else null."
    )


class RunPage(Page[RunListed]):
    """Your own runs, newest first."""


class RunCancelled(Shape):
    """The run has ended, by this request or before it."""

    success: Literal[True]
    run_id: RunId
    state: Literal["ended"]
