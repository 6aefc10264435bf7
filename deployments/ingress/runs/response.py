"""The HTTP response to a run, from the runner's reply."""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from deployments.calls.messages import RunCall, RunReply
from deployments.calls.runner_client import RunnerClient
from deployments.ingress.error_answers import error_response
from deployments.ingress.runs.error_text import error_text
from runtime.errors import RunFailed, RuntimeFailure
from runtime.results.kinds import RESULT_KINDS
from runtime.results.notes import LABELS_DROPPED
from runtime.run_report import NO_OUTPUT, phases


def to_response(
    request: Request, call: RunCall, reply: RunReply, runners: RunnerClient, *, fell_back: bool
) -> Response:
    """Return the result, or the error that ended the run. ``fell_back``: another engine than the caller's ran it."""
    headers = {"X-Run-Id": call["run_id"]}
    if fell_back:
        headers["X-Engine"] = call["engine"]
    if reply["labels_dropped"]:
        headers["X-Result-Note"] = LABELS_DROPPED
    if reply["cost"] is not None:
        headers["Server-Timing"] = ", ".join(
            f"{phase};dur={seconds * 1000:.2f}" for phase, seconds in phases(reply["cost"]).items()
        )
    if reply["kind"] is None:
        response = _failed(request, call, reply)
        response.headers.update(headers)
        return response
    headers["Content-Type"] = RESULT_KINDS[reply["kind"]]
    kept = reply["kept"]
    if kept is None:
        return Response(reply["content"], headers=headers)
    headers["Content-Length"] = str(kept["length"])
    return StreamingResponse(runners.fetch(call["engine"], call["run_id"], kept), headers=headers)


def to_ending(request: Request, call: RunCall, failure: RunFailed) -> Response:
    """Return the error for a run that was ended here, so that the runner sent no reply."""
    failure.fields.update(NO_OUTPUT, run_id=call["run_id"])
    response = error_response(failure, path=request.url.path, request_id=request.state.request_id)
    response.headers["X-Run-Id"] = call["run_id"]
    return response


def _failed(request: Request, call: RunCall, reply: RunReply) -> Response:
    assert reply["failure"] is not None, "a reply has a kind or a failure"
    failure = RuntimeFailure.from_wire(reply["failure"])
    text = error_text(failure.message, failure.fields, reply["output"])
    failure.fields.update(reply["output"] or {}, run_id=call["run_id"])
    return error_response(failure, path=request.url.path, request_id=request.state.request_id, text=text)
