"""Examines the memory, cores, open files, disk and GPU that this process may use."""

import os
import resource
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deployments.cli.doctor.findings import Finding, State
from deployments.cli.sizes import GIB, size
from deployments.launch.errors import LaunchError
from deployments.launch.machine.folders import folder_parent
from runtime.engines.device.probe import NO_DRIVER, find_devices

_LEAST_MEMORY_BYTES = 2 * GIB
_LEAST_SHARED_BYTES = GIB // 4
_LEAST_DISK_BYTES = 2 * GIB
_LEAST_OPEN_FILES = 4096
_NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs")
_V1_UNLIMITED = 1 << 60
_SHARED = "/dev/shm"  # noqa: S108  looked at, not written to


def examine(data_dir: Path, *, gpu_wanted: bool = False) -> tuple[Finding, ...]:
    """Return one finding for each resource. ``gpu_wanted`` says if the settings switch the GPU engine on."""
    return (
        _memory(),
        _cores(),
        _open_files(),
        _shared_memory(),
        _private_folder(),
        _data_directory(data_dir),
        _gpu(gpu_wanted),
    )


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    limit = _cgroup_limit()
    data: dict[str, object] = {"total_bytes": memory.total, "available_bytes": memory.available}
    text = f"{size(memory.total)}, {size(memory.available)} available"
    if limit is not None and limit < memory.total:
        data["limit_bytes"] = limit
        advice = "set GRAPHSIDE_CACHE_BYTES and GRAPHSIDE_MAXIMUM so that they fit"
        return Finding("memory", "warning", f"{text}, but a control group allows {size(limit)}; {advice}", data)
    if memory.available < _LEAST_MEMORY_BYTES:
        return Finding("memory", "warning", f"{text}, which is little for Ray and runs", data)
    return Finding("memory", "ok", text, data)


def _cgroup_limit() -> int | None:
    """Return the smallest limit in bytes of this process's control groups (version 1 or 2); None without a limit."""
    limits = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            files = ("/sys/fs/cgroup{}/memory.max", "/sys/fs/cgroup/memory.max")
        elif "memory" in controllers.split(","):
            files = (
                "/sys/fs/cgroup/memory{}/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            )
        else:
            continue
        for file in files:
            try:
                text = Path(file.format(path.rstrip("/"))).read_text().strip()
            except OSError:
                continue
            if text.isdecimal() and int(text) < _V1_UNLIMITED:
                limits.append(int(text))
    return min(limits, default=None)


def _cores() -> Finding:
    usable, total = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    text = f"{usable}" if usable == total else f"{usable} of {total}"
    quota = _cpu_quota()
    if quota is not None and quota < usable:
        text += f", but a control group allows the CPU time of {quota:g}"
    return Finding("cores", "ok", text, {"usable": usable, "total": total, "quota": quota})


def _cpu_quota() -> float | None:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return int(quota) / int(period) if quota.isdecimal() else None


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= _LEAST_OPEN_FILES
    text = f"{soft}, can be raised to {'any number' if hard == resource.RLIM_INFINITY else hard}"
    advice = "" if enough else f"; a busy server needs {_LEAST_OPEN_FILES} (ulimit -n)"
    return Finding("open files", "ok" if enough else "warning", text + advice, {"soft": soft, "hard": hard})


def _shared_memory() -> Finding:
    try:
        status = os.statvfs(_SHARED)
    except OSError as error:
        return Finding(_SHARED, "warning", f"{error.strerror}; Ray's object store goes to disk")
    total, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
    data: dict[str, object] = {"total_bytes": total, "free_bytes": free}
    text = f"{size(free)} free of {size(total)}"
    if free < _LEAST_SHARED_BYTES:
        return Finding(_SHARED, "warning", f"{text}; Ray's object store (256 MiB) goes to disk", data)
    return Finding(_SHARED, "ok", text, data)


def _private_folder() -> Finding:
    try:
        return Finding("private folder", "ok", f"in {folder_parent()}")
    except LaunchError as error:
        return Finding("private folder", "missing", str(error))


def _data_directory(data_dir: Path) -> Finding:
    there = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    status = os.statvfs(there)
    free, system = status.f_bavail * status.f_frsize, _file_system(there)
    data: dict[str, object] = {"path": str(data_dir), "free_bytes": free, "file_system": system}
    made = "" if there == data_dir else " (does not exist yet)"
    text = f"{data_dir}{made}: {size(free)} free on {system}"
    owner = there.stat().st_uid
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK) or (there == data_dir and owner != os.geteuid()):
        return Finding("data directory", "missing", f"{text}; this user cannot use it; set GRAPHSIDE_DATA", data)
    if system in _NETWORK_FILE_SYSTEMS:
        advice = "SQLite needs a local disk; use one, or set GRAPHSIDE_DATABASE_URL_FILE"
        return Finding("data directory", "warning", f"{text}; {advice}", data)
    if free < _LEAST_DISK_BYTES:
        return Finding("data directory", "warning", f"{text}, which is little for datasets", data)
    return Finding("data directory", "ok", text, data)


def _file_system(path: Path) -> str:
    """Return the type of the file system that holds the path."""
    best = ("", "unknown")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        point = fields[4].encode().decode("unicode_escape")
        if path.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, fields[fields.index("-") + 1])
    return best[1]


def _gpu(wanted: bool) -> Finding:
    found = find_devices()
    cudf = _version_of("cudf-cu13")
    data: dict[str, object] = {**asdict(found), "cudf": cudf, "wanted": wanted}
    if found.reason is not None:
        state: State = "absent" if found.reason == NO_DRIVER and not wanted else "warning"
        asked = "; the settings ask for a GPU runner, which will not start" if wanted else ""
        return Finding("GPU", state, f"none usable: {found.reason}; tasks run on the CPU{asked}", data)
    names = ", ".join(f"{device.name} ({size(device.memory_bytes)})" for device in found.devices)
    cards = f"{names}, CUDA {found.cuda}"
    if cudf is None:
        text = f"{cards}; cudf is not installed, so tasks run on the CPU: pip install -r requirements/gpu.lock"
        return Finding("GPU", "warning" if wanted else "ok", text, data)
    switch = "is switched on" if wanted else "can be switched on (GRAPHSIDE_GPU='{}', or gpu in serve_config.yaml)"
    return Finding("GPU", "ok", f"{cards}; cudf {cudf}; the GPU engine {switch}", data)


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
