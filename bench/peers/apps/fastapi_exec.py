# mypy: disable-error-code="misc, untyped-decorator"
# FastAPI is not among the types of this environment alone.
"""FastAPI that runs the text in its own process, as a Python endpoint without isolation does.

For uvicorn. The handler is a ``def``, which FastAPI runs in a thread of its pool, so that one call does not block the
loop.
"""

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from bench.peers.apps.task import load, run_to_json


class Body(BaseModel):
    execute: str


api = FastAPI()
graph = load()


@api.post("/run")
def run(body: Body) -> Response:
    return Response(run_to_json(body.execute, graph), media_type="application/json")
