# mypy: disable-error-code="misc, attr-defined, no-any-return, untyped-decorator"
# Serve's decorators are not typed.
"""Two apps that do nothing, to measure what any answer costs under the launcher's flags.

The first has two hops: a FastAPI ingress, a handle and an async method that returns 200 bytes. The second is an ingress
alone. Their deployments have the same options as ours.
"""

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response

from bench.apps.noop_uvicorn import ANSWER

api = FastAPI()
api_of_one = FastAPI()


class Worker:
    """The second hop."""

    async def run(self, _: bytes) -> bytes:
        """Return the same bytes for every call."""
        return ANSWER


@serve.ingress(api)
class Front:
    """The first hop."""

    def __init__(self, worker: DeploymentHandle[Any]) -> None:
        # As in our own ingress: pickle is the faster of the two serializers.
        self._worker = worker.options(request_serialization="pickle", response_serialization="pickle")

    @api.post("/run")
    async def run(self, request: Request) -> Response:
        answer = await self._worker.run.remote(await request.body())
        return Response(answer, media_type="application/json")

    @api.get("/readyz")
    async def ready(self) -> Response:
        return Response(await self._worker.run.remote(b""), media_type="application/json")


@serve.ingress(api_of_one)
class Alone:
    """The only hop."""

    @api_of_one.post("/run")
    async def run(self, request: Request) -> Response:
        await request.body()
        return Response(ANSWER, media_type="application/json")

    @api_of_one.get("/readyz")
    async def ready(self) -> Response:
        return Response(ANSWER, media_type="application/json")


def build(_: dict[str, Any]) -> serve.Application:
    """Build the app with two hops. It has no settings."""
    worker = serve.deployment(
        Worker,
        max_ongoing_requests=200,
        ray_actor_options={"num_cpus": 0.5},
        logging_config={"enable_access_log": False},
    )
    front = serve.deployment(Front, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.1})
    return front.bind(worker.bind())


def build_one_hop(_: dict[str, Any]) -> serve.Application:
    """Build the app with one hop."""
    return serve.deployment(Alone, max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.1}).bind()
