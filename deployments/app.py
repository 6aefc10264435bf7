# mypy: disable-error-code="arg-type, attr-defined, no-any-return, call-arg"
# Serve's decorators and pydantic v1-style models are not typed; what is passed here is checked when the app is built.
"""The app as Ray Serve builds it: ``import_path: deployments.app:build``."""

from typing import Any

from ray import serve
from ray.serve.config import RequestRouterConfig

from deployments.affinity import DatasetAffinityRouter
from deployments.ingress import Ingress
from deployments.runner import Runner
from deployments.settings import Settings

ROUTING_STATS_PERIOD_S = 1.0


def build(args: dict[str, Any]) -> serve.Application:
    """The application for these settings (``args`` of ``serve_config.yaml``). Raises pydantic's error on wrong ones."""
    settings = Settings.model_validate(args)
    plain = settings.model_dump(mode="json")
    logging_config = {"log_level": settings.log_level}
    if settings.logs_dir is not None:
        logging_config["logs_dir"] = str(settings.logs_dir)
    runner = serve.deployment(
        Runner,
        name="Runner",
        logging_config={**logging_config, "enable_access_log": False},  # its own lines say more
        # What one replica takes before a dataset in great demand spills to the next one.
        max_ongoing_requests=settings.queue + 16,
        graceful_shutdown_timeout_s=settings.maximum.timeout_s + 20,
        health_check_period_s=2,
        ray_actor_options={"num_cpus": 0.5},
        request_router_config=RequestRouterConfig(
            request_router_class=DatasetAffinityRouter, request_routing_stats_period_s=ROUTING_STATS_PERIOD_S
        ),
    )
    ingress = serve.deployment(
        Ingress,
        name="Ingress",
        logging_config=logging_config,
        max_ongoing_requests=1000,
        graceful_shutdown_timeout_s=settings.maximum.timeout_s + 20,
        health_check_period_s=2,
        ray_actor_options={"num_cpus": 0.1},
    )
    return ingress.bind(plain, runner.bind(plain))
