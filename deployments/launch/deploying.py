"""Deploys an application that may do without one of its deployments: a machine whose GPU cannot be used still serves.

``serve.run`` waits for all of them, and fails, or waits for ever, where one does not come up.
"""

import time
from typing import Any, Final  # Any: Ray's own types, which it does not export

from deployments.launch.errors import LaunchError
from runtime.engines.device.probe import find_devices

GPU_RUNNER: Final = "GpuRunner"
GPU_START_S: Final = 60.0
"""How long a start waits for GPU runners after all else is up."""

_TICK_S: Final = 0.2


def deploy(application: Any, name: str) -> str | None:
    """Deploy it and wait. Returns why no GPU runner is running, where that is so.

    Raises ``LaunchError`` where anything else does not start; the supervisor has the deadline.
    """
    import ray
    from ray import serve

    serve.run_many([serve.RunTarget(application, name=name, route_prefix="/")], wait_for_applications_running=False)
    give_up: float | None = None
    while True:
        found = serve.status().applications[name].deployments
        others = {other: found[other] for other in found if other != GPU_RUNNER}
        for other, status in others.items():
            if status.status in ("DEPLOY_FAILED", "UNHEALTHY"):
                raise LaunchError(f"{other}: {status.message}")
        if others and all(status.status == "HEALTHY" for status in others.values()):
            gpu = found[GPU_RUNNER]
            if gpu.status == "HEALTHY":
                return None
            if not ray.cluster_resources().get("GPU"):  # type: ignore[no-untyped-call]
                return find_devices().reason or "Ray finds no GPU on this machine"
            if gpu.status in ("DEPLOY_FAILED", "UNHEALTHY"):
                return str(gpu.message)
            give_up = give_up or time.monotonic() + GPU_START_S
            if time.monotonic() > give_up:
                return str(gpu.message) or f"it does not start within {GPU_START_S:g} s"
        time.sleep(_TICK_S)
