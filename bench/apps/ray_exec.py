# mypy: disable-error-code="attr-defined, misc, untyped-decorator"
"""``python -m bench.apps.ray_exec PORT FOLDER tuned|plain``: one Ray Serve deployment, with the data, runs the text.

``tuned`` runs under our flags with HAProxy in front, without the middleware that keeps Serve's headers from clients.
``plain`` is Serve with nothing set. Both listen on loopback only.
"""

import os
import sys
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from bench.peers.apps.signals import wait_for_end
from bench.peers.apps.task import limit_s, load, run_to_json
from deployments.launch.flags import front_flags
from deployments.launch.front import write_wrapper
from deployments.launch.machine.ports import pick
from deployments.launch.secret_files import load_or_make_token
from deployments.replica.flags import ONE_MACHINE, fixed_flags

_HOST = "127.0.0.1"
_SIDE_PORTS = ("HAPROXY_STATS", "HAPROXY_METRICS", "FALLBACK_PROXY_HTTP")
_OBJECT_STORE_BYTES = 256 * 1024**2

api = FastAPI()


class Body(BaseModel):
    execute: str


def main(port: int, folder: Path, is_tuned: bool) -> None:
    """Serve until SIGTERM. ``folder`` must have a short path, because sockets lie in it."""
    os.environ.update(_flags(folder, is_tuned))
    _serve(port, str(folder / "r"))


def _flags(folder: Path, is_tuned: bool) -> dict[str, str]:
    token = folder / "token"
    load_or_make_token(token)
    common = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
    if not is_tuned:
        return {**common, **{flag.name: flag.value for flag in ONE_MACHINE}}
    side = {f"RAY_SERVE_{name}_PORT": str(pick()) for name in _SIDE_PORTS}
    flags = {**fixed_flags(), **front_flags(folder, write_wrapper(folder, _HOST), token), **side, **common}
    del flags["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"]
    return flags


def _serve(port: int, folder: str) -> None:
    import ray  # not before its flags are set
    from ray import serve

    @serve.deployment(max_ongoing_requests=200, logging_config={"enable_access_log": False})
    @serve.ingress(api)
    class Runner:
        def __init__(self) -> None:
            self.graph = load()

        @api.post("/run")
        def run(self, body: Body) -> Response:
            return Response(run_to_json(body.execute, self.graph), media_type="application/json")

    ray.init(
        address="local", namespace="serve", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False, _temp_dir=folder,
    )  # fmt: skip
    serve.start(http_options={"host": _HOST, "port": port, "request_timeout_s": limit_s()})
    serve.run(Runner.bind(), name="peer", route_prefix="/")
    wait_for_end()
    serve.shutdown()  # type: ignore[no-untyped-call]
    ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "tuned")
