"""Ports for servers that tests start."""

import socket


def free_port() -> int:
    """A loopback port that nobody has now. Never one with 443 in it: PyGraphistry's tests would speak https to it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if "443" not in str(port):
            return port
