"""The Python endpoint: run a task beside a dataset."""

from functools import partial
from secrets import token_hex
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from auth.errors import EndpointDisabled
from auth.principal import Principal
from deployments.calls.messages import RunCall, RunReply
from deployments.ingress.callers.call import Call
from deployments.ingress.callers.dataset_access import find
from deployments.ingress.credentials import AnyClaims
from deployments.ingress.errors import NotFound, TooManyRequests
from deployments.ingress.json_answers import INLINE_BYTES
from deployments.ingress.middleware.admission import until_answered
from deployments.ingress.middleware.transfers import give_up
from deployments.ingress.routes.shapes.results import RESULT
from deployments.ingress.routing.declarations import JSON, unread_body
from deployments.ingress.routing.routes import Routes
from deployments.ingress.runs.recording import recorded
from deployments.ingress.runs.request import run_request_model, to_message, to_receipt
from deployments.ingress.runs.response import to_ending, to_response
from deployments.ingress.runs.sending import sent
from deployments.ingress.sender import current_sender
from deployments.ingress.services import Services
from runtime.errors import (
    DatasetTooLarge,
    DatasetUnreadable,
    EngineUnavailable,
    InvalidSource,
    LimitTooHigh,
    Overloaded,
    ResultNotSerializable,
    ResultTooLarge,
    RunExists,
    RunInterrupted,
    StorageFull,
    StoreUnavailable,
    TaskCancelled,
    TaskCrashed,
    TaskError,
    TaskMemoryExceeded,
    TaskScratchExceeded,
    TaskTimeout,
)
from runtime.task import CPU_ENGINE, GPU_ENGINE, EngineName

routes = Routes()

MOST_ITEMS: Final = 1000
"""The most items in a body: a run has few fields, and what is unknown is not used."""

REFUSALS: Final = (
    InvalidSource,
    LimitTooHigh,
    EndpointDisabled,
    NotFound,
    EngineUnavailable,
    DatasetUnreadable,
    DatasetTooLarge,
    TooManyRequests,
    RunExists,
    Overloaded,
    RunInterrupted,
    StorageFull,
    StoreUnavailable,
)
"""Errors before the task starts."""

ENDINGS: Final = (
    TaskError,
    TaskTimeout,
    TaskMemoryExceeded,
    TaskScratchExceeded,
    TaskCrashed,
    TaskCancelled,
    ResultTooLarge,
    ResultNotSerializable,
)
"""Errors after the task started."""


@routes.on(
    "POST",
    "/api/v2/datasets/{dataset_id}/python",
    "/api/v2/etl/datasets/{dataset_id}/python",
    body=unread_body({JSON: run_request_model}, most_bytes=lambda settings: 6 * settings.max_source_bytes),
    answers={200: RESULT},
    errors=(*REFUSALS, *ENDINGS),
    audit=("run",),
    ends_with_caller=True,
)
async def run(call: Call[None]) -> Response:
    """Run ``task(g)`` on the dataset and respond with its result.

    The task runs in a process of its own. If it fails, the response is a 422 with its output so far. A string result is
    sent as text if ``Accept`` allows it and the body names no engine.
    """
    request, services, principal, settings = call.request, call.services, call.principal, call.services.settings
    await check_switches(services, principal)
    body = await call.read(services.run_request, most_items=MOST_ITEMS)
    record = (await find(services, principal, call.path["dataset_id"])).record
    run_id = await _run_id(services, body.run_id)
    engine, fell_back = _engine(body.engine, services)
    accepts_text = body.engine is None and _accepts_text(request)
    message = to_message(
        body, record, run_id, engine, accepts_text=accepts_text, user=str(principal.user_id),
        may_reuse=settings.reused_seats > 0,
    )  # fmt: skip
    receipt = to_receipt(body, message, principal.user_id, keep_source=settings.keep_source)
    claims: AnyClaims = request.state.claims
    services.unread.check(current_sender())
    # The run counts, and its result is the user's, until the answer was read or given up.
    until_answered(request).enter_context(services.quota.run_of(principal.user_id))
    running = services.standing.during(claims, sent(services.runners, message, record))
    try:
        reply = await recorded(services.receipts, call.note, receipt, running)
    except TaskCancelled as cancelled:  # because the caller's log-in has ended
        return to_ending(request, message, cancelled)
    await _hold_result(call, message, reply, claims)
    respond = partial(to_response, request, message, reply, services.runners, fell_back=fell_back)
    output = reply["output"] if reply["kind"] is None else None
    if output is not None and len(output["stdout"]) + len(output["stderr"]) > INLINE_BYTES:
        return await services.threads.bodies.call(respond)  # as JSON, what was printed may be six times as long
    return respond()


async def _hold_result(call: Call[None], message: RunCall, reply: RunReply, claims: AnyClaims) -> None:
    """Count a large result as unread until it was sent, and end the delivery of any if the caller's log-in ends.

    Raises ``TooManyRequests`` or ``Overloaded`` if there is no room for it. The routing counts answers that are whole.
    """
    services, kept, held = call.services, reply["kept"], until_answered(call.request)
    if kept is not None:
        try:
            held.enter_context(services.unread.holding(current_sender(), kept["length"], give_up(call.request)))
        except (TooManyRequests, Overloaded):
            await services.runners.drop(message["engine"], message["run_id"], kept)
            raise
    held.enter_context(services.standing.watch(claims, give_up(call.request)))


async def _run_id(services: Services, chosen: str | None) -> str:
    """Return the id that the caller chose, else a new one. Raise ``RunExists``."""
    if chosen is None:
        return token_hex(16)
    if await services.threads.receipts.call(services.receipts.exists, chosen):
        raise RunExists(chosen)
    return chosen


async def check_switches(services: Services, principal: Principal) -> None:
    """Raise ``EndpointDisabled`` unless all three switches of protocol 4.8 let this user in."""

    def ask() -> bool:
        services.flags.check_python_endpoint(principal.user_id, services.settings.python_endpoint)
        return True

    await services.snapshot.get(("python", principal.user_id), ask)


def _engine(asked: EngineName | None, services: Services) -> tuple[EngineName, bool]:
    """Return the engine of the run, and True if an operator's setting replaced the one that was asked for.

    A caller who names no engine gets cuDF if a GPU runner is running now (protocol 4.2).
    """
    on_gpu = services.settings.gpu is not None and services.runners.gpu_running
    if asked is None:
        return (GPU_ENGINE if on_gpu else CPU_ENGINE), False
    if asked == GPU_ENGINE and not on_gpu and services.settings.cudf_falls_back_to_pandas:
        return CPU_ENGINE, True
    return asked, False


def _accepts_text(request: Request) -> bool:
    """Return True if ``Accept`` allows text. If it allows JSON only, a string becomes a JSON string."""
    accept = request.headers.get("accept")
    if accept is None:
        return True
    kinds = [item.partition(";")[0].strip() for item in accept.split(",")]
    return any(kind in ("*/*", "text/*", "text/plain") for kind in kinds)
