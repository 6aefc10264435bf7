"""Choose and check TCP ports of this machine."""

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
    """Return the numeric address of ``host``, IPv4 if it has both. Raises ``LaunchError`` naming ``GRAPHSIDE_HOST``."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise LaunchError(
            f"GRAPHSIDE_HOST={host} is neither an address nor a name that this machine can resolve"
        ) from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return str(found[0][4][0])


def require_free(address: str, port: int) -> None:
    """Raise ``LaunchError`` if the server cannot listen there, naming the variable to change."""
    problem = _problem(address, port)
    if problem is None:
        return
    if problem == errno.EADDRINUSE:
        raise LaunchError(
            f"port {port} on {address} is in use; stop the program that uses it, or set GRAPHSIDE_PORT to another port"
        )
    if problem == errno.EADDRNOTAVAIL:
        raise LaunchError(f"GRAPHSIDE_HOST={address} is not an address of this machine")
    if problem == errno.EACCES:
        raise LaunchError(f"this user may not listen on port {port}; set GRAPHSIDE_PORT to 1024 or above")
    raise LaunchError(f"cannot listen on {address} port {port}: {os.strerror(problem)}")


def pick(preferred: int = 0, taken: frozenset[int] = frozenset()) -> int:
    """Return a loopback port that is free now: ``preferred`` if it is, else a random one.

    A random port lies below those that the kernel gives to outgoing connections, because a connection could take such a
    port before the server that was meant to have it has started.
    """
    first_of_connections = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    last = first_of_connections if first_of_connections >= _FIRST_PORT + _TRIES else 65_536
    some = random.SystemRandom().sample(range(_FIRST_PORT, last), _TRIES)
    for port in [preferred, *some] if preferred else some:
        if port not in taken and _problem("127.0.0.1", port) is None:
            return port
    raise LaunchError(f"no free port was found on 127.0.0.1 in {_TRIES} tries")


def claim(preferred: int) -> int:
    """Like ``pick``, and while this process lives no other server of this user gets the preferred port.

    Ray binds the port seconds after this look at it; meanwhile a second server would find it free, too.
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


def _problem(address: str, port: int) -> int | None:
    """Return the errno of listening there, or None."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that has just stopped is no obstacle
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            return error.errno
    return None
