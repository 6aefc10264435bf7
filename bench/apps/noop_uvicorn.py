# mypy: disable-error-code="misc, untyped-decorator"
"""The no-op without Ray: FastAPI under uvicorn, in one process."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

ANSWER = b'{"answer":"' + b"x" * 187 + b'"}'
"""The answer of every no-op: 200 bytes."""

api = FastAPI()


@api.post("/run")
async def run(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, media_type="application/json")
