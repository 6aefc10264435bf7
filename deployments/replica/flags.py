"""The environment flags that Ray and Serve must start under, as data, and the check of a replica's own environment.

Ray and Serve read these flags once, when a process starts. Every process inherits them from the one that starts Ray,
because no config file can set them. ``make serve`` sets them all. For ``ray start`` and ``serve run``, the operator
sources what ``python -m deployments.launch.flags`` prints.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.replica.front_headers import SECRET_FILE

GIB = 1024**3
_PATIENCE_S = 300
"""Seconds that Ray waits for a process of its own to start. Each waits for a few seconds on a fast and idle machine."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A variable, its value and the reason.

    ``needed``: without the flag the server is wrong or unsafe, not merely slower or untidy. ``former``: values that
    earlier versions printed and that still work in this release.
    """

    name: str
    value: str
    why: str
    needed: bool = False
    former: tuple[str, ...] = ()


EVERYWHERE = (
    Flag(
        "RAY_SERVE_THROUGHPUT_OPTIMIZED",
        "1",
        "one event loop in each replica and gRPC between replicas: five times the calls per second",
        needed=True,
    ),
    Flag(
        "RAY_SERVE_ENABLE_HA_PROXY",
        "1",
        "HAProxy accepts the requests, because Serve's Python proxy buffers whole bodies",
        needed=True,
    ),
    Flag(
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH",
        str(GIB),
        "results above 4 MiB would be cut, with status 200",
        needed=True,
    ),
    Flag(
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH",
        "deployments.ingress.middleware.serve_controls:front_middlewares",
        "drops Serve's own headers from clients' requests and lets uploads stream",
        needed=True,
        former=("deployments.middleware:front_middlewares",),
    ),
    Flag(
        "RAY_AUTH_MODE",
        "token",
        "Ray's ports execute whatever they receive; the token guards them",
        needed=True,
    ),
    Flag(
        "FORWARDED_ALLOW_IPS",
        "none",
        "uvicorn must not believe X-Forwarded-*, because the setting trusted_forwarders decides that",
        needed=True,
    ),
    Flag("RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", "1", "a stop takes 6 s instead of 30 s"),
    Flag("RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S", "1", "a dead HAProxy is replaced within 8 s instead of 40 s"),
    Flag(
        "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE",
        "1",
        "log lines appear when they are written, not a thousand at a time",
    ),
    Flag(
        "RAY_SERVE_HAPROXY_METRICS_ENABLED",
        "0",
        "ingresses count requests themselves; HAProxy would write a line of each for a Python process that reads them",
    ),
    Flag(
        "RAY_worker_oom_score_adjustment",
        "300",
        "when memory runs out, the kernel kills runs (1000) before replicas",
    ),
    Flag(
        "RAY_worker_niceness",
        "0",
        "Ray would start every replica at nice 15, behind all other programs of the machine; tasks lower their own",
    ),
    Flag("RAY_USAGE_STATS_ENABLED", "0", "Ray reports no usage statistics"),
    # A process that starts slowly is no dead process. Otherwise a busy machine would give up after these defaults.
    Flag(
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S",
        str(_PATIENCE_S / 5),
        "Serve kills an HAProxy manager that is not ready within three times this long (default: 5 s)",
    ),
    Flag(
        "RAY_SERVE_HAPROXY_STARTUP_TIMEOUT_S",
        str(_PATIENCE_S // 2),
        "the HAProxy manager fails if HAProxy does not answer within this time (default: 30 s)",
    ),
    Flag(
        "RAY_worker_register_timeout_seconds",
        str(_PATIENCE_S),
        "the raylet kills a worker that does not register within this time (default: 60 s)",
    ),
    Flag(
        "RAY_agent_register_timeout_ms",
        str(_PATIENCE_S * 1000),
        "the raylet ends if its agents do not register within this time (default: 30 s)",
    ),
    Flag(
        "RAY_raylet_start_wait_time_s",
        str(_PATIENCE_S),
        "the start fails if the raylet does not register within this time (default: 30 s)",
    ),
    Flag(
        "RAY_gcs_server_port_wait_time_s",
        str(_PATIENCE_S),
        "the start fails if Ray's control service does not listen within this time (default: 30 s)",
    ),
    Flag(
        "RAY_gcs_rpc_server_connect_timeout_s",
        str(_PATIENCE_S // 5),
        "a process ends if it does not reach the control service within this time (default: 5 s)",
    ),
    Flag(
        "RAY_py_gcs_connect_timeout_s",
        str(_PATIENCE_S // 2),
        "the same for Ray's Python processes (default: 30 s)",
    ),
    Flag(
        "RAY_raylet_client_num_connect_attempts",
        str(_PATIENCE_S // 5),
        "a worker ends if it does not reach the raylet in this many seconds (default: 10)",
    ),
    Flag(
        "RAY_DASHBOARD_STARTUP_TIMEOUT_S",
        str(_PATIENCE_S),
        "the start fails if the dashboard is not up within this time (default: 60 s)",
    ),
)
"""For every node, whatever the size of the cluster."""

ONE_MACHINE = (
    Flag(
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",
        "0",
        "Ray's scheduler, object store and agents listen on loopback only",
    ),
    Flag(
        "RAY_SERVE_HAPROXY_NBTHREAD",
        str(max(1, min(4, (os.cpu_count() or 1) // 2))),
        "HAProxy has a thread for every two cores: a thread passes on more requests than a core can run",
    ),
)
"""For a server on one machine. On a cluster these flags would cut the nodes off from each other."""


def fixed_flags() -> dict[str, str]:
    """Return the flags of a one-machine server that depend on no path, by name."""
    return {flag.name: flag.value for flag in (*EVERYWHERE, *ONE_MACHINE)}


def missing_flags(environ: Mapping[str, str]) -> list[str]:
    """Return the needed flags that ``environ`` lacks, as ``NAME=value (why)``. A former value counts as set."""
    missing = [
        f"{flag.name}={flag.value} ({flag.why})"
        for flag in EVERYWHERE
        if flag.needed and environ.get(flag.name) not in (flag.value, *flag.former)
    ]
    if not environ.get("RAY_SERVE_HAPROXY_BINARY_PATH"):
        missing.append("RAY_SERVE_HAPROXY_BINARY_PATH (HAProxy's side ports are open to all interfaces)")
    if not environ.get(SECRET_FILE):
        missing.append(
            f"{SECRET_FILE} (whoever reaches a replica's port is answered, past the front's limits, and may forge "
            "their address)"
        )
    return missing


def outdated_flags(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each flag that has a former value: the line, and the line that replaces it."""
    return [
        f"{flag.name}={environ[flag.name]} works in this release only; "
        f"replace it with {flag.name}={flag.value} (`python -m deployments.launch.flags` prints the line)"
        for flag in EVERYWHERE
        if environ.get(flag.name) in flag.former
    ]
