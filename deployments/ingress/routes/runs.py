"""Runs: list them, look at one, and cancel it. Users see only their own runs."""

import asyncio
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from auth.principal import Principal
from deployments.ingress.callers.call import Call
from deployments.ingress.errors import InvalidRequest, NotFound
from deployments.ingress.fields import MOST_TITLE
from deployments.ingress.json_answers import JsonAnswer, json_answer_of
from deployments.ingress.paging import list_page, page_of
from deployments.ingress.routes.shapes.runs import RunCancelled, RunPage, RunReceipt
from deployments.ingress.routing.declarations import Parameter, text_of
from deployments.ingress.routing.parameters import PAGE
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import Services
from runtime.receipts import SEEN_WITHIN_S, Receipt, State
from runtime.run_report import COST_KEYS

routes = Routes()

STATES: Final[tuple[State, ...]] = ("queued", "running", "ended")
MOST_GOING_ON: Final = 1000
_LOOKS: Final = 4
_LOOK_AGAIN_S: Final = SEEN_WITHIN_S / 2
"""The run of another replica is in the catalog after two of these pauses and a little."""


@routes.on(
    "GET",
    "/api/v2/runs",
    parameters=(
        *PAGE,
        Parameter("state", "Only runs in this state.", {"type": "string", "enum": list(STATES)}),
        Parameter("dataset_id", "Only runs on this dataset.", text_of(32)),
        Parameter("run_label", "Only runs with this label.", text_of(MOST_TITLE)),
    ),
    answers={200: RunPage},
    errors=(InvalidRequest,),
)
async def page(call: Call[None]) -> Response:
    """List your own runs, newest first, without their output; filtered by ``state``, ``dataset_id``, ``run_label``."""
    limit, offset = page_of(call.request)
    query = call.request.query_params
    state = query.get("state") or None
    if state is not None and state not in STATES:
        raise InvalidRequest(f"state must be one of {', '.join(STATES)}, not {state[:40]!r}")
    dataset_id, run_label = query.get("dataset_id") or None, query.get("run_label") or None
    ended = None if state is None else state == "ended"

    def ask(limit: int, offset: int) -> tuple[int, list[Receipt]]:
        return call.services.receipts.page(
            call.principal.user_id, limit, offset, ended=ended, dataset_id=dataset_id, run_label=run_label
        )

    if state in (None, "ended"):
        count, receipts = await call.services.threads.receipts.call(ask, limit, offset)
        receipts = await _as_they_are_now(call.services, receipts)
    else:  # only runners know which of the unfinished runs are running; a user has few of them
        _, going_on = await call.services.threads.receipts.call(ask, MOST_GOING_ON, 0)
        matching = [receipt for receipt in await _as_they_are_now(call.services, going_on) if receipt.state == state]
        count, receipts = len(matching), matching[offset : offset + limit]
    return await list_page(call, count, limit, offset, map(_listed, receipts))


@routes.on("GET", "/api/v2/runs/{run_id}", answers={200: RunReceipt}, errors=(NotFound,))
async def get(call: Call[None]) -> Response:
    """Get one run: its state, how it ended, its output and its cost."""
    receipt = await _own_run(call.services, call.principal, call.path["run_id"])
    (receipt,) = await _as_they_are_now(call.services, [receipt])
    return await json_answer_of(call.services, lambda: _shown(receipt))


@routes.on(
    "POST",
    "/api/v2/runs/{run_id}/cancel",
    answers={200: RunCancelled},
    errors=(NotFound,),
    audit=("run.cancel",),
)
async def cancel(call: Call[None]) -> Response:
    """Cancel a run. Its caller gets ``TaskCancelled``. For a run that has ended, nothing changes."""
    receipt = await _own_run(call.services, call.principal, call.path["run_id"])
    if receipt.state != "ended":
        await call.services.runners.cancel(receipt.id)
        call.note("run.cancel", f"run:{receipt.id}")
    return JsonAnswer({"success": True, "run_id": receipt.id, "state": "ended"})


async def _own_run(services: Services, principal: Principal, run_id: str) -> Receipt:
    for look in range(_LOOKS):
        receipt = await services.threads.receipts.call(services.receipts.get, run_id, principal.user_id)
        if receipt is not None:
            return receipt
        if look < _LOOKS - 1:
            await asyncio.sleep(_LOOK_AGAIN_S)
    raise NotFound(f"run {run_id} not found")


async def _as_they_are_now(services: Services, receipts: list[Receipt]) -> list[Receipt]:
    """Return the receipts with their current states. The catalog knows that a run was accepted and that it ended; only
    runners know what happens in between."""
    if all(receipt.state == "ended" for receipt in receipts):
        return receipts
    states = await services.runners.states()
    return [
        receipt if receipt.state == "ended" else replace(receipt, state=states.get(receipt.id, "queued"))
        for receipt in receipts
    ]


def _shown(receipt: Receipt) -> dict[str, Any]:
    shown: dict[str, Any] = {"run_id": receipt.id}
    for name, value in asdict(receipt).items():
        if name == "cost":
            shown |= value or dict.fromkeys(COST_KEYS)
        elif name == "output":
            shown |= value
        elif name not in ("id", "owner_id"):
            shown[name] = value.isoformat() if isinstance(value, datetime) else value
    return shown


def _listed(receipt: Receipt) -> dict[str, Any]:
    """Return the receipt without the fields that can be long."""
    shown = _shown(receipt)
    for name in ("stdout", "stderr", "source"):
        del shown[name]
    return shown
