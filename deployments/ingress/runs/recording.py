"""A run from its beginning to its end, whatever that is, as a receipt for its owner and a line of audit."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Final

from starlette.requests import Request

from auth.principal import Principal
from deployments.ingress.services import services_of
from runtime.errors import RuntimeFailure
from runtime.receipts import NewRun, RunEnd

CLIENT_LEFT: Final = "ClientLeft"
"""Cause of a run that was killed because nobody waited for it any more."""

_COST: Final = ("engine", "queue_s", "seat_s", "run_s", "encode_s", "peak_memory_bytes", "result_bytes")

Reply = dict[str, Any]


async def recorded(request: Request, principal: Principal, run: NewRun, reply: Awaitable[Reply]) -> Reply:
    """The runner's reply. Raises what waiting for it raises."""
    services = services_of(request)
    services.receipts.begin(run)
    end = RunEnd("InternalError")
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
        services.receipts.end(run.id, end)
        label = {} if run.run_label is None else {"run_label": run.run_label}
        services.note(request, principal, "run", f"dataset:{run.dataset_id}", end.cause, run_id=run.id, **label)


def end_of(run: NewRun, reply: Reply) -> RunEnd:
    """How a run ended, from the runner's reply. One that was refused has no cost."""
    failure = reply.get("failure")
    cost = reply.get("receipt")
    cause = failure["type"] if failure else "ok"
    if cost is None:
        return RunEnd(cause, failure=failure)
    return RunEnd(
        cause,
        started_at=run.created_at + timedelta(seconds=cost["queue_s"] + cost["seat_s"]),
        failure=failure,
        versions=reply["versions"],
        **{name: cost[name] for name in _COST},
        **reply.get("output", {}),
    )
