"""TCP ports of one machine: is it free, and which one is."""

import errno
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final

from deployments.launch.errors import LaunchError

_FIRST_PORT: Final = 10_240
_TRIES: Final = 64


def resolve(host: str) -> str:
    """The address that ``host`` names, numeric. IPv4 is preferred. Raises ``LaunchError`` naming ``GRAPHSIDE_HOST``."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise LaunchError(
            f"GRAPHSIDE_HOST={host} is neither an address nor a name that this machine can resolve."
        ) from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return str(found[0][4][0])


def require_free(address: str, port: int) -> None:
    """Raises ``LaunchError`` where the front port cannot be had, saying which variable to change."""
    problem = _problem(address, port)
    if problem is None:
        return
    if problem in (errno.EADDRINUSE,):
        raise LaunchError(
            f"Port {port} on {address} is in use. Stop what uses it, or set GRAPHSIDE_PORT to another port."
        )
    if problem == errno.EADDRNOTAVAIL:
        raise LaunchError(f"GRAPHSIDE_HOST={address} is no address of this machine.")
    if problem == errno.EACCES:
        raise LaunchError(f"This user may not listen on port {port}. Set GRAPHSIDE_PORT to 1024 or above.")
    raise LaunchError(f"Cannot listen on {address} port {port}: {errno.errorcode.get(problem, problem)}.")


def pick(preferred: int = 0, taken: frozenset[int] = frozenset()) -> int:
    """A loopback port that is free now: the preferred one where it is, else any.

    Any is none of those that the kernel gives to connections: one of them may take it before its server does, which is
    the likelier the longer that takes to start.
    """
    if preferred and preferred not in taken and _problem("127.0.0.1", preferred) is None:
        return preferred
    for port in _of_no_connection():
        if port not in taken and _problem("127.0.0.1", port) is None:
            return port
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def claim(preferred: int) -> int:
    """As ``pick``, and no other server of this user's gets the preferred port while this process lives.

    Between the look at a port and Ray's bind lie seconds, in which a second server would take the same look.
    """
    path = Path(tempfile.gettempdir()) / f"graphside-{os.getuid()}-port-{preferred}.lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return pick()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return pick()
    return pick(preferred)


def _of_no_connection() -> list[int]:
    """Some ports between those of well-known services and those that connections are given."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return []
    usual = range(_FIRST_PORT, first)
    return random.SystemRandom().sample(usual, min(_TRIES, len(usual)))


def _problem(address: str, port: int) -> int | None:
    """The errno of binding there, or None."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that has just stopped is no obstacle
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            return error.errno
    return None
