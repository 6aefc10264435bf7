"""The ingress deployment: authenticates, authorizes, validates, dispatches, encodes errors. It holds no dataset."""

from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from deployments.calls.runner_client import RunnerClient
from deployments.ingress.app import build_asgi_app
from deployments.ingress.janitor import Janitor, chores
from deployments.ingress.services import Services
from deployments.replica.start import begin_replica
from deployments.settings import Settings
from runtime.task import EngineName


@serve.ingress()
class Ingress:
    """One replica of the ingress."""

    def __init__(self, settings: dict[str, Any], runners: dict[EngineName, DeploymentHandle[Any]]) -> None:
        begin_replica()
        parsed = Settings.model_validate(settings)
        self._runners = RunnerClient(runners, direct=parsed.direct_calls)
        self._runners.start()
        self._services = Services.open(parsed, self._runners)
        self._services.snapshot.start()
        self._janitor = Janitor(chores(self._services))
        self._janitor.start()

    async def __del__(self) -> None:
        await self._janitor.stop()
        self._runners.close()
        self._services.close()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return build_asgi_app(self._services)
