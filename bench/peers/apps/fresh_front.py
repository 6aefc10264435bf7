# mypy: disable-error-code="misc, untyped-decorator"
"""FastAPI that starts a fresh interpreter under bubblewrap for each call and kills it at its time limit.

For uvicorn. ``PEER_JAIL`` is the jail's command line, as JSON.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from bench.peers.apps.task import EDGES_FILE, limit_s

_INSIDE = Path(__file__).with_name("fresh_inside.py")


class Body(BaseModel):
    execute: str


api = FastAPI()
command = [*json.loads(os.environ["PEER_JAIL"]), sys.executable, "-I", str(_INSIDE), os.environ[EDGES_FILE]]


@api.post("/run")
def run(body: Body) -> Response:
    try:
        ended = subprocess.run(command, input=body.execute.encode(), capture_output=True, timeout=limit_s())
    except subprocess.TimeoutExpired:  # the jail was killed, and with it everything in it
        return JSONResponse({"error": "timeout"}, 408)
    if ended.returncode != 0:
        return JSONResponse({"error": ended.stderr.decode("utf-8", "replace")[-500:]}, 500)
    return Response(ended.stdout, media_type="application/json")
