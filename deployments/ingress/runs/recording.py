"""Records a run, however it ends: a receipt for its owner and a line of audit."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from deployments.calls.messages import RunReply
from runtime.errors import InvalidSource, RuntimeFailure
from runtime.receipts import NewRun, Receipts, RunEnd
from runtime.run_report import NO_OUTPUT

CLIENT_LEFT: Final = "ClientLeft"
"""Cause of a run that was killed because its caller closed the connection."""


async def recorded(receipts: Receipts, note: Callable[..., None], run: NewRun, reply: Awaitable[RunReply]) -> RunReply:
    """Await the runner's reply, record the run's end, and return the reply. Raise what awaiting raises.

    ``note`` adds a line to the audit log (``Call.note``).
    """
    receipts.begin(run)
    end = None
    try:
        answer = await reply
        end = end_of(run, answer)
        return answer
    except RuntimeFailure as failure:
        end = RunEnd(failure.type, failure=failure.to_wire())
        raise
    except asyncio.CancelledError:
        end = RunEnd(CLIENT_LEFT)
        raise
    finally:
        end = end or RunEnd("InternalError")
        receipts.end(run, end)
        label = {} if run.run_label is None else {"run_label": run.run_label}
        note("run", f"dataset:{run.dataset_id}", end.cause, run_id=run.id, **label)


def end_of(run: NewRun, reply: RunReply) -> RunEnd:
    """Return how a run ended, from the runner's reply. A run that was refused has no cost.

    A source without a task has a cost, because a process looked at it, but no task of it started.
    """
    failure, cost = reply["failure"], reply["cost"]
    cause = failure["type"] if failure is not None else "ok"
    if cost is None:
        return RunEnd(cause, failure=failure)
    started_at = run.created_at + timedelta(seconds=cost["queue_s"] + cost["seat_s"])
    return RunEnd(
        cause,
        started_at=None if cause == InvalidSource.__name__ else started_at,
        cost=cost,
        output=reply["output"] or NO_OUTPUT,
        failure=failure,
        versions=reply["versions"],
    )
