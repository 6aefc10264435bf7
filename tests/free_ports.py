"""Ports for servers that tests start."""

from deployments.launch.machine.ports import pick


def free_port() -> int:
    """A loopback port that nobody has now. Never one with 443 in it: PyGraphistry's tests would speak https to it."""
    while "443" in str(port := pick()):
        pass
    return port
