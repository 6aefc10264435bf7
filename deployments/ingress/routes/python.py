"""The Python endpoint: run a task beside a dataset (protocol 4)."""

import asyncio
from typing import Any, Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from auth.errors import EndpointDisabled
from auth.principal import Principal
from deployments.ingress.body import read_model
from deployments.ingress.callers.call import Call
from deployments.ingress.callers.dataset_access import find
from deployments.ingress.errors import NotFound, TooManyRequests, error_response
from deployments.ingress.routes.shapes.results import RESULT
from deployments.ingress.routing.declarations import JSON, unread_body
from deployments.ingress.routing.routes import Routes
from deployments.ingress.runs.recording import recorded
from deployments.ingress.runs.request import run_request_model
from deployments.ingress.services import Services
from runtime.datasets.records import DatasetRecord
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
    RuntimeFailure,
    StorageFull,
    StoreUnavailable,
    TaskCancelled,
    TaskCrashed,
    TaskError,
    TaskMemoryExceeded,
    TaskScratchExceeded,
    TaskTimeout,
)
from runtime.receipts import NewRun
from runtime.task import EngineName

routes = Routes()

CONTENT_TYPES: Final = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "zip": "application/zip",
}

CPU_ENGINE: Final = "pandas"
GPU_ENGINE: Final = "cudf"

_LIMITS: Final = ("timeout_s", "cpu_s", "memory_bytes", "scratch_bytes", "result_bytes")


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
"""Before the task starts."""

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
"""After it did."""


@routes.on(
    "POST",
    "/api/v2/datasets/{dataset_id}/python",
    "/api/v2/etl/datasets/{dataset_id}/python",
    body=unread_body({JSON: run_request_model}),
    answers={200: RESULT},
    errors=(*REFUSALS, *ENDINGS),
)
async def run(call: Call[None]) -> Response:
    """Run ``task(g)`` and answer what it returns.

    The task runs in a process of its own beside the dataset. What it does wrong is answered with 422, with its output
    so far; a string is answered as text where ``Accept`` allows that and the body names no engine.
    """
    request, services, principal = call.request, call.services, call.principal
    await check_switches(services, principal)
    body = await read_model(request, services.run_request, 8 * services.settings.max_source_bytes)
    record = (await find(services, principal, call.path["dataset_id"])).record
    run_id = await _run_id(services, body.run_id)
    engine, fell_back = _engine(body.engine, services)
    message = {
        "source": _source(record),
        "spec": {
            "run_id": run_id,
            "source": body.execute,
            "output_type": body.output_type,
            "format": body.format,
            "accepts_text": body.engine is None and _accepts_text(request),
            "owner": str(principal.user_id) if services.settings.reused_seats else None,
        },
        "limits": {name: value for name in _LIMITS if (value := getattr(body, name)) is not None},
        "engine": engine,
    }
    new_run = NewRun(
        id=run_id,
        owner_id=principal.user_id,
        dataset_id=record.id,
        engine=engine,
        output_type=body.output_type,
        format=body.format,
        run_label=body.run_label,
        source=body.execute if services.settings.keep_source else None,
    )
    with services.quota.run_of(principal.user_id):
        reply = await recorded(request, principal, new_run, services.runners.run(record.id, message))
    headers = {"X-Run-Id": run_id}
    if fell_back:
        headers["X-Engine"] = engine
    if "receipt" in reply:
        headers["Server-Timing"] = _server_timing(reply["receipt"])
    if "failure" in reply:
        response = _failed(request, reply, run_id)
        response.headers.update(headers)
        return response
    headers["Content-Type"] = CONTENT_TYPES[reply["kind"]]
    if "result" in reply:
        return Response(reply["result"], headers=headers)
    headers["Content-Length"] = str(reply["length"])
    chunks = services.runners.fetch(reply["replica"], run_id, reply["place"], engine)
    return StreamingResponse(chunks, headers=headers)


async def _run_id(services: Services, chosen: str | None) -> str:
    """The caller's, so that he can cancel while he waits, else a new one. Raises ``RunExists``."""
    if chosen is None:
        return uuid4().hex
    if await asyncio.to_thread(services.receipts.exists, chosen):
        raise RunExists(f"there is a run {chosen} already; choose another id", run_id=chosen)
    return chosen


async def check_switches(services: Services, principal: Principal) -> None:
    """Raise ``EndpointDisabled`` unless the three switches of protocol 4.8 let this user in."""

    def ask() -> bool:
        services.flags.check_python_endpoint(principal.user_id, services.settings.python_endpoint)
        return True

    await services.snapshot.get(("python", principal.user_id), ask)


def _engine(asked: EngineName | None, services: Services) -> tuple[EngineName, bool]:
    """What is to run it, and whether an operator's setting replaced the one asked for.

    Who names none gets cuDF where it is to be had at the moment (protocol 4.2).
    """
    on_gpu = services.settings.gpu is not None and services.runners.gpu_running
    if asked is None:
        return (GPU_ENGINE if on_gpu else CPU_ENGINE), False
    if asked == GPU_ENGINE and not on_gpu and services.settings.cudf_falls_back_to_pandas:
        return CPU_ENGINE, True
    return asked, False


def _accepts_text(request: Request) -> bool:
    """Whether the caller takes anything but JSON: an ``Accept`` of JSON only makes a string a JSON string."""
    accept = request.headers.get("accept", "*/*")
    kinds = [item.partition(";")[0].strip() for item in accept.split(",")]
    return any(kind in ("*/*", "text/*", "text/plain") for kind in kinds)


def _source(record: DatasetRecord) -> dict[str, Any]:
    return {
        "dataset_id": record.id,
        "tables": {role: table.id for role, table in record.tables.items()},
        "byte_count": sum(table.byte_count for table in record.tables.values()),
        "payload": {**record.payload, "dataset_id": record.id},
    }


def _server_timing(receipt: dict[str, Any]) -> str:
    return ", ".join(f"{phase};dur={receipt[f'{phase}_s'] * 1000:.2f}" for phase in ("queue", "seat", "run", "encode"))


def _failed(request: Request, reply: dict[str, Any], run_id: str) -> Response:
    failure = RuntimeFailure.from_wire(reply["failure"])
    failure.fields.update(reply.get("output", {}), run_id=run_id)
    return error_response(failure, path=request.url.path, request_id=request.state.request_id)
