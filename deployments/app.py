# mypy: disable-error-code="arg-type, attr-defined, no-any-return, call-arg"
# Serve's decorators are not typed; what is passed to them here is checked when the app is built.
"""The app as Ray Serve builds it: ``import_path: deployments.app:build``."""

from typing import Any, NamedTuple

from ray import serve
from ray.serve.config import RequestRouterConfig

from catalog.engine import open_catalog
from catalog.errors import CatalogError
from deployments.calls.affinity import DatasetAffinityRouter
from deployments.ingress.deployment import Ingress
from deployments.runner.budget import executor_settings, usual_seats
from deployments.runner.deployment import Runner
from deployments.runner.gpu import GpuRunner
from deployments.settings import Settings
from runtime.task import CPU_ENGINE, GPU_ENGINE, EngineName
from runtime.uploads import CONCURRENT_PARSES, WAITING_PARSES

ROUTING_STATS_PERIOD_S = 1.0
OTHER_CALLS = 64
"""Calls to a runner that neither run nor parse: slots that wait for their next run, cancels, fetches."""


class _Runners(NamedTuple):
    """The deployment of one engine's runners. ``options`` are Serve's."""

    replica: type[Runner]
    name: str
    actor_options: dict[str, float]
    options: dict[str, Any] = {}


def build(args: dict[str, Any]) -> serve.Application:
    """Return the application for these settings (``args`` of ``serve_config.yaml``).

    Raises pydantic's error for wrong settings, ``RuntimeError`` if the data directory was never prepared.
    """
    settings = Settings.model_validate(args)
    try:
        open_catalog(settings.catalog_url).close()
    except CatalogError as error:
        text = f"the data directory {settings.data_dir} is not ready ({error}); prepare it with: graphside init"
        raise RuntimeError(text) from error
    return application(settings)


def most_calls(settings: Settings) -> int:
    """Return how many calls a runner takes before Serve holds back the others.

    More than may run and wait there, for a seat or for room in the cache: the runner knows whose turn it is, and
    Serve's queue does not.
    """
    runs = 2 * settings.queue + max(executor_settings(settings).most_runs, usual_seats())
    return runs + CONCURRENT_PARSES + WAITING_PARSES + OTHER_CALLS


def application(
    settings: Settings, gpu_runner: type[GpuRunner] = GpuRunner, **runner_options: Any
) -> serve.Application:
    """Return the ingress and the runners, bound together.

    ``runner_options`` are Serve's for the CPU runners (``num_replicas``, ``autoscaling_config``, …).
    """
    plain = settings.model_dump(mode="json")
    logging_config: dict[str, Any] = {"log_level": settings.log_level}
    if settings.logs_dir is not None:
        logging_config["logs_dir"] = str(settings.logs_dir)
    common = {
        "graceful_shutdown_timeout_s": settings.maximum.timeout_s + 20,  # longer than the longest task
        "graceful_shutdown_wait_loop_s": 0.5,
        "health_check_period_s": 2,
    }
    of_runners = {
        **common,
        "max_ongoing_requests": most_calls(settings),
        "logging_config": {**logging_config, "enable_access_log": False},  # its own lines say more
        "request_router_config": RequestRouterConfig(
            request_router_class=DatasetAffinityRouter, request_routing_stats_period_s=ROUTING_STATS_PERIOD_S
        ),
    }
    runners: dict[EngineName, _Runners] = {CPU_ENGINE: _Runners(Runner, "Runner", {"num_cpus": 0.5}, runner_options)}
    if settings.gpu is not None:
        resources = {"num_cpus": 0.5, "num_gpus": settings.gpu.num_gpus}
        runners[GPU_ENGINE] = _Runners(gpu_runner, "GpuRunner", resources)
    ingress = serve.deployment(
        Ingress,
        name="Ingress",
        logging_config=logging_config,
        # More than the ingress admits, because it answers the rest with 503 at once; Serve would let them wait.
        max_ongoing_requests=10 * settings.traffic.requests,
        ray_actor_options={"num_cpus": 0.1},
        **common,
    )
    handles = {
        engine: serve.deployment(kind.replica, name=kind.name, ray_actor_options=kind.actor_options, **of_runners)
        .options(**kind.options)
        .bind(plain)
        for engine, kind in runners.items()
    }
    return ingress.bind(plain, handles)
