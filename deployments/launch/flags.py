"""The environment flags that Ray and Serve must start under, each with its reason.

They are read once, when a process starts, and reach every process only through the environment of whatever starts Ray:
no config file sets them. ``make serve`` sets them all; before ``ray start`` or ``serve run`` an operator sources

    python -m deployments.launch.flags > graphside.env
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.launch.front import write_wrapper
from deployments.launch.secret_files import load_or_make_token

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Flag:
    """``needed``: without it the server is wrong or unsafe, not merely slower or untidy."""

    name: str
    value: str
    why: str
    needed: bool = False


EVERYWHERE = (
    Flag(
        "RAY_SERVE_THROUGHPUT_OPTIMIZED",
        "1",
        "one loop in each replica, gRPC between them: 5x the calls",
        True,
    ),
    Flag("RAY_SERVE_ENABLE_HA_PROXY", "1", "HAProxy is the way in: no Python proxy that buffers bodies", True),
    Flag(
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH",
        str(GIB),
        "results above 4 MiB would be cut, with status 200",
        True,
    ),
    Flag(
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH",
        "deployments.ingress.middleware.serve_controls:front_middlewares",
        "drops Serve's own headers from clients' requests and lets uploads stream",
        True,
    ),
    Flag("RAY_AUTH_MODE", "token", "Ray's ports run whatever they are sent; the token guards them", True),
    Flag(
        "FORWARDED_ALLOW_IPS",
        "none",
        "uvicorn must not believe X-Forwarded-*: trusted_forwarders decides",
        True,
    ),
    Flag("RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", "1", "a stop takes 6 s in place of 30"),
    Flag("RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S", "1", "a dead HAProxy is back in 8 s, not 40"),
    Flag(
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE",
        "1",
        "log lines appear when written, not a thousand at a time",
    ),
    Flag("RAY_worker_oom_score_adjustment", "300", "runs (1000) die of memory shortage before replicas do"),
    Flag("RAY_USAGE_STATS_ENABLED", "0", "nothing is reported to anybody"),
)
"""For every node, whatever its size."""

ONE_MACHINE = (
    Flag(
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",
        "0",
        "Ray's scheduler, object store and agents listen on loopback only",
    ),
    Flag("RAY_SERVE_HAPROXY_NBTHREAD", str(min(4, os.cpu_count() or 1)), "no more threads than cores"),
)
"""For a server that is alone: these would cut a cluster apart."""


def fixed_flags() -> dict[str, str]:
    """What a one-machine server sets, whoever runs it and wherever."""
    return {flag.name: flag.value for flag in (*EVERYWHERE, *ONE_MACHINE)}


def front_flags(folder: Path, wrapper: Path) -> dict[str, str]:
    """Where HAProxy keeps its files: a private folder, not the world-writable default. ``wrapper`` starts it."""
    return {
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(wrapper),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "state"),
    }


def missing_flags(environ: Mapping[str, str]) -> list[str]:
    """The needed flags that this process started without, as ``NAME=value (why)``. Deployments warn of each."""
    missing = [
        f"{flag.name}={flag.value} ({flag.why})"
        for flag in EVERYWHERE
        if flag.needed and environ.get(flag.name) != flag.value
    ]
    if not environ.get("RAY_SERVE_HAPROXY_BINARY_PATH"):
        missing.append("RAY_SERVE_HAPROXY_BINARY_PATH (HAProxy's side ports are open to all interfaces)")
    return missing


def main(arguments: list[str]) -> int:
    """Prints ``export`` lines for a shell to source, and makes the folder and the wrapper that they name."""
    parser = argparse.ArgumentParser(prog="python -m deployments.launch.flags", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / f"graphside-front-{os.getuid()}")
    parser.add_argument("--token-file", type=Path, default=Path.home() / ".graphside-ray-token")
    parser.add_argument("--host", help="address that HAProxy answers on (default: http_options.host)")
    parser.add_argument("--cluster", action="store_true", help="more than one machine: leave out the loopback flags")
    options = parser.parse_args(arguments)
    folder = options.folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        print(f"graphside: {folder} must belong to you and be closed to others (chmod 700).", file=sys.stderr)
        return 1
    load_or_make_token(options.token_file.absolute())
    for flag in EVERYWHERE if options.cluster else (*EVERYWHERE, *ONE_MACHINE):
        print(f"# {flag.why}\nexport {flag.name}={shlex.quote(flag.value)}")
    print("# the same secret on every node, readable by its owner only")
    print(f"export RAY_AUTH_TOKEN_PATH={shlex.quote(str(options.token_file.absolute()))}")
    print("# HAProxy's files in a folder of their own; its statistics and metrics ports on loopback")
    for name, value in front_flags(folder, write_wrapper(folder, options.host)).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
