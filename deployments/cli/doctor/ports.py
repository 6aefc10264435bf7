"""Examines the ports that a server on this machine needs."""

import http.client
import json
from typing import Final

from deployments.cli.doctor.findings import Finding
from deployments.launch.errors import LaunchError
from deployments.launch.machine import ports
from deployments.launch.options import Options

DASHBOARD: Final = 8265


def examine(options: Options) -> tuple[Finding, ...]:
    """Return one finding for the server's port, which is needed, and one for Ray's dashboard, which is not."""
    return (_front(options), _dashboard())


def _front(options: Options) -> Finding:
    name = f"{options.address} port {options.port}"
    data: dict[str, object] = {"address": options.address, "port": options.port}
    try:
        ports.require_free(options.address, options.port)
    except LaunchError as error:
        holder = _holder(options.port)
        data["taken_by"] = holder
        if _is_ours(options):
            return Finding("front", "ok", f"{name}: a graphside server answers there ({holder})", data)
        return Finding("front", "missing", f"{error} ({holder} has it)" if holder else str(error), data)
    return Finding("front", "ok", f"{name} is free", data)


def _dashboard() -> Finding:
    data: dict[str, object] = {"port": DASHBOARD}
    try:
        ports.require_free("127.0.0.1", DASHBOARD)
    except LaunchError:
        holder = _holder(DASHBOARD)
        text = f"port {DASHBOARD} is taken by {holder}; `graphside serve` picks another"
        return Finding("Ray's dashboard", "absent", text, {**data, "taken_by": holder})
    return Finding("Ray's dashboard", "ok", f"127.0.0.1 port {DASHBOARD} is free", data)


def _holder(port: int) -> str:
    """Return the process that listens on the port, in words."""
    import psutil

    try:
        listening = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        pid = next((one.pid for one in listening if one.laddr and one.laddr.port == port and one.pid), None)
        return "a process of another user" if pid is None else f"{psutil.Process(pid).name()}, process {pid}"
    except psutil.Error:
        return "a process that this user may not see"


def _is_ours(options: Options) -> bool:
    connection = http.client.HTTPConnection(options.reachable.strip("[]"), options.port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return bool(json.loads(connection.getresponse().read(4096)) == {"success": True})
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
