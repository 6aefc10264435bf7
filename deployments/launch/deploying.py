"""Deploys an application that may do without one of its deployments: a machine whose GPU cannot be used still serves.

``serve.run`` waits for all of them, and fails, or waits for ever, where one does not come up.
"""

import time
from collections.abc import Mapping
from typing import Any, Final  # Any: Ray's own types, which it does not export

from deployments.launch.errors import LaunchError
from runtime.engines.device.probe import find_devices

GPU_RUNNER: Final = "GpuRunner"
GPU_START_S: Final = 60.0
"""How long a start waits for GPU runners after all else is up."""

_FAILED: Final = ("DEPLOY_FAILED", "UNHEALTHY")
_TICK_S: Final = 0.2


def deploy(application: Any, name: str) -> str | None:
    """Deploy it and wait. Returns why no GPU runner is running, where that is so.

    Raises ``LaunchError`` where anything else does not start; the supervisor has the deadline.
    """
    import ray
    from ray import serve

    def found() -> Mapping[str, Any]:
        return serve.status().applications[name].deployments

    serve.run_many([serve.RunTarget(application, name=name, route_prefix="/")], wait_for_applications_running=False)
    while not others_are_up(found()):
        time.sleep(_TICK_S)
    seen = bool(ray.cluster_resources().get("GPU"))  # type: ignore[no-untyped-call]
    deadline = time.monotonic() + GPU_START_S
    while (status := found()[GPU_RUNNER]).status != "HEALTHY":
        if not seen:  # Serve would wait until there is one, which on a single machine is never
            return find_devices().reason or "Ray finds no GPU on this machine"
        if status.status in _FAILED:
            return str(status.message)
        if time.monotonic() > deadline:
            return str(status.message) or f"it does not start within {GPU_START_S:g} s"
        time.sleep(_TICK_S)
    return None


def others_are_up(found: Mapping[str, Any]) -> bool:
    """Whether all but GPU runners run. Raises ``LaunchError`` for one that does not start."""
    others = {name: status for name, status in found.items() if name != GPU_RUNNER}
    for name, status in others.items():
        if status.status in _FAILED:
            raise LaunchError(f"{name}: {status.message}")
    return bool(others) and all(status.status == "HEALTHY" for status in others.values())
