"""``make serve``: the launcher of a one-machine server, and the environment flags that any server starts under."""

from collections.abc import Mapping

__all__ = ["serve"]


def serve(environment: Mapping[str, str]) -> int:
    """Runs the server that ``GRAPHSIDE_*`` variables describe, in the foreground. Returns the exit status."""
    from deployments.launch.supervisor import (
        serve as supervise,
    )  # replicas import this package for its flags only

    return supervise(environment)
