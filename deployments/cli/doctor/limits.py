"""Examines which limits of a run hold exactly on this machine, and which are kept by looking."""

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployments.cli.doctor.findings import Finding
from deployments.cli.sizes import size
from runtime.sandbox.walls import identity
from runtime.sandbox.walls.trial import Found, try_in_child

_MARGIN_BYTES: Final = 16 * 1024 * 1024
_LEAST_FREE_BYTES: Final = 1024 * 1024 * 1024
"""Free space below which nothing is tried."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where scratch directories lie, and how much a run may write there."""

    directory: Path
    most_bytes: int
    data_dir: Path


def examine(scratch: Scratch, walls: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return one finding for each kind of limit. ``walls``: those that would stand around a run,
    with what their probes said."""
    return (
        _memory(walls),
        _threads(walls),
        _scratch_of_a_run(scratch, throwaway_users="throwaway_users" in walls),
        _scratch_of_all(scratch, as_root=os.geteuid() == 0 and "throwaway_users" not in walls),
        _processes(walls),
    )


def _memory(walls: Mapping[str, str]) -> Finding:
    own = "a run: allocations exactly, copies of the dataset's pages and page tables by looking, 50 times a second"
    together = "all runs together: exactly" if "cgroup" in walls else "all runs together: not limited, no control group"
    return Finding("memory", "ok", f"{own}; {together}", {"all_runs": "exact" if "cgroup" in walls else "none"})


def _threads(walls: Mapping[str, str]) -> Finding:
    exact = "throwaway_users" in walls
    how = "exactly" if exact else "by looking, 50 times a second, because runs have no users of their own"
    return Finding("threads", "ok", how, {"run": "exact" if exact else "looking"})


def _scratch_of_a_run(scratch: Scratch, *, throwaway_users: bool) -> Finding:
    one = f"one file: exactly ({size(scratch.most_bytes)}, RLIMIT_FSIZE)"
    data: dict[str, object] = {"file": "exact", "run": "looking"}
    looking = "all files of a run: by looking, 10 to 50 times a second"
    if not throwaway_users:
        return Finding("scratch of a run", "ok", f"{one}; {looking}", data)
    found = _quota(scratch)
    if not found.works:
        return Finding("scratch of a run", "ok", f"{one}; {looking} ({found.detail})", data)
    text = f"{one}; all files of a run: exactly, by a quota of {scratch.directory}"
    return Finding("scratch of a run", "ok", text, {**data, "run": "exact"})


def _quota(scratch: Scratch) -> Found:
    """Try to take more than a run may have, as a user that nobody is."""
    there = _existing(scratch.directory)
    most = scratch.most_bytes + _MARGIN_BYTES
    status = os.statvfs(there)
    if status.f_bavail * status.f_frsize < most + _LEAST_FREE_BYTES:
        return Found(False, "too little space to try whether there is a quota")
    try:
        folder = tempfile.mkdtemp(prefix="graphside-doctor-", dir=there)
    except OSError as error:
        return Found(False, f"a quota could not be tried: {error.strerror}")
    try:
        return try_in_child(lambda: _take(folder, most))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _take(folder: str, most: int) -> Found:
    uid = identity.new_uid()
    fd = os.open(folder, os.O_DIRECTORY)
    os.fchown(fd, uid, uid)
    os.fchdir(fd)
    identity.become(uid)
    file = os.open("taken", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.posix_fallocate(file, 0, most)
    except OSError as error:
        if error.errno == errno.EDQUOT:
            return Found(True, "quota")
        raise
    finally:
        with suppress(OSError):
            os.unlink("taken")
    return Found(False, "its file system has no quota for each user")


def _scratch_of_all(scratch: Scratch, *, as_root: bool) -> Finding:
    there, data_dir = _existing(scratch.directory), _existing(scratch.data_dir)
    status = os.statvfs(there)
    apart = there.stat().st_dev != data_dir.stat().st_dev
    data: dict[str, object] = {"apart": apart, "total_bytes": status.f_blocks * status.f_frsize}
    if as_root and status.f_bfree > status.f_bavail:
        data["reserve_bytes"] = (status.f_bfree - status.f_bavail) * status.f_frsize
    if apart:
        text = f"exactly: {scratch.directory} is a file system of {size(status.f_blocks * status.f_frsize)}"
        return Finding("scratch of all runs", "ok", text, data)
    advice = "set GRAPHSIDE_SCRATCH_DIR to a directory of another one to bound all runs together"
    reserve = ", and its reserve, because runs are root's" if "reserve_bytes" in data else ""
    text = f"what the limits of runs add up to, on the file system of the data directory{reserve}; {advice}"
    return Finding("scratch of all runs", "absent", text, data)


def _processes(walls: Mapping[str, str]) -> Finding:
    """Say whether a run can find out which processes there are."""
    if "namespaces" in walls and "listed" not in walls["namespaces"]:
        return Finding("other processes", "ok", "a run sees none in /proc", {"hidden": True})
    if _proc_hides() and "throwaway_users" in walls:
        return Finding(
            "other processes", "ok", "a run sees none, because /proc is mounted with hidepid", {"hidden": True}
        )
    text = "a run can see which processes exist, with owner and start, but nothing in them"
    advice = (
        "with throwaway users, mount /proc with hidepid=2" if "throwaway_users" in walls else "namespaces hide them"
    )
    return Finding("other processes", "absent", f"{text}; {advice}", {"hidden": False})


def _proc_hides() -> bool:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point, options = line.split()[4], line.split()[-1]
        if point == "/proc":
            return any(f"hidepid={value}" in options for value in ("2", "invisible", "4", "ptraceable"))
    return False


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
