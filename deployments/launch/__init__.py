"""``make serve``: start a one-machine server; and print the environment flags that any server needs."""

from collections.abc import Mapping

__all__ = ["serve"]


def serve(environment: Mapping[str, str]) -> int:
    """Run the server that ``GRAPHSIDE_*`` variables describe, in the foreground. Return the exit status."""
    from deployments.launch.supervisor import serve as supervise  # slow, and not needed by all who import this package

    return supervise(environment)
