"""Deploy the application, whose GPU runner may be missing, so that a machine without a usable GPU still serves.

``serve.run`` waits for every deployment: if one does not start, it fails or waits forever.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final  # Any: Ray's own types, which it does not export

from deployments.launch.errors import LaunchError
from runtime.engines.device.probe import find_devices

GPU_RUNNER: Final = "GpuRunner"
GPU_START_S: Final = 60.0
"""Seconds that a start waits for GPU runners after everything else is up."""

_FAILED: Final = ("DEPLOY_FAILED", "UNHEALTHY")
_TICK_S: Final = 0.2


def deploy_alone(application: Any, name: str) -> None:
    """Deploy an application without GPU runners and wait. Raises ``RuntimeError`` if a deployment does not start."""
    from ray import serve

    with _patience():
        serve.run(application, name=name, route_prefix="/")


def deploy(application: Any, name: str) -> str | None:
    """Deploy and wait. Return the reason if no GPU runner is running, else None.

    Raises ``LaunchError`` if another deployment does not start. The supervisor has the deadline.
    """
    import ray
    from ray import serve

    def found() -> Mapping[str, Any]:
        return serve.status().applications[name].deployments

    with _patience():
        serve.run_many([serve.RunTarget(application, name=name, route_prefix="/")], wait_for_applications_running=False)
    while not others_are_up(found()):
        time.sleep(_TICK_S)
    seen = bool(ray.cluster_resources().get("GPU"))  # type: ignore[no-untyped-call]
    deadline = time.monotonic() + GPU_START_S
    while (status := found()[GPU_RUNNER]).status != "HEALTHY":
        if not seen:  # Serve would wait for one, which on a single machine never comes
            return find_devices().reason or "Ray finds no GPU on this machine"
        if status.status in _FAILED:
            return str(status.message)
        if time.monotonic() > deadline:
            return str(status.message) or f"it does not start within {GPU_START_S:g} s"
        time.sleep(_TICK_S)
    return None


@contextmanager
def _patience() -> Iterator[None]:
    """Go on if HAProxy is slow: Serve's last step waits for it for 60 s, which no setting changes.

    The supervisor waits for the front's first answer.
    """
    try:
        yield
    except TimeoutError:
        logging.exception("HAProxy starts slowly")


def others_are_up(found: Mapping[str, Any]) -> bool:
    """Return whether everything but GPU runners is up. Raises ``LaunchError`` if a deployment failed to start."""
    others = {name: status for name, status in found.items() if name != GPU_RUNNER}
    for name, status in others.items():
        if status.status in _FAILED:
            raise LaunchError(f"{name}: {status.message}")
    return bool(others) and all(status.status == "HEALTHY" for status in others.values())
