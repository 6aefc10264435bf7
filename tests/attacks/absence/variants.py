"""Each wall by name, how it is left out, and the probes that must notice; with what covers it left out too, where the
other walls cover it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from runtime.sandbox.host import scratch, seat_files, watchdog
from runtime.sandbox.host.gauge import Gauge
from runtime.sandbox.walls.enclosure import Walls

Patch = Callable[[pytest.MonkeyPatch], None]

_EMPTY: Final = scratch.ScratchUse(0, 0, 0)


@dataclass(frozen=True)
class Variant:
    """``walls``: fields of ``Walls`` that are off; ``below``: names of ``weakened.ABSENT``; ``here``: what to patch in
    the replica. ``template``: which of the templates serves it. ``stops_runs``: without it no run starts at all.
    ``needs``: a wall without which this one means nothing.
    """

    name: str
    notices: tuple[str, ...]
    walls: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    here: Patch | None = None
    template: str = "walled"
    stops_runs: bool = False
    needs: tuple[str, ...] = ()

    def standing(self, walls: Walls) -> Walls:
        """What is left of ``walls``."""
        changes: dict[str, Any] = {name: 0 if name == "landlock" else False for name in self.walls}
        return replace(walls, **changes)


def _share_scratch(patch: pytest.MonkeyPatch) -> None:
    def make(root: scratch.ScratchRoot, uid: int | None) -> Path:
        path = root.path / "shared"
        path.mkdir(mode=0o777, exist_ok=True)
        path.chmod(0o777)
        (path / "kept").touch()
        return path

    patch.setattr(scratch.ScratchRoot, "make", make)
    patch.setattr(seat_files, "remove", lambda path: None)


def _count(**seen: int) -> Patch:
    """A gauge that sees these instead."""

    def patched(patch: pytest.MonkeyPatch) -> None:
        used_bytes = Gauge.used_bytes

        def used(gauge: Gauge) -> int:
            used = used_bytes(gauge)
            gauge.threads = seen.get("threads", gauge.threads)
            return seen.get("used", used)

        patch.setattr(Gauge, "used_bytes", used)

    return patched


def _blind(owner: Any, name: str, answer: Any) -> Patch:
    def patched(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(owner, name, lambda *_: answer)

    return patched


def _no_seals(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seat_files, "_SEALS", 0)


_USERS: Final = ("throwaway_users",)

VARIANTS: Final = (
    Variant("landlock", ("reads a file of the machine", "writes outside its scratch"), walls=("landlock",)),
    Variant(
        "landlock, throwaway users",
        ("reads the server's secret", "lists the scratch of others"),
        walls=("landlock", "throwaway_users"),
    ),
    Variant(
        "seccomp",
        ("starts a process", "makes a socket", "connects to a socket by path"),
        walls=("seccomp",),
    ),
    Variant("namespaces", ("learns the machine's process numbers",), template="no namespaces", needs=("namespaces",)),
    Variant(
        "namespaces, seccomp",
        ("sends a datagram",),
        walls=("seccomp",),
        template="no namespaces",
        needs=("namespaces",),
    ),
    Variant(
        "namespaces, seccomp, landlock",
        ("connects by TCP", "connects to an abstract socket"),
        walls=("seccomp", "landlock"),
        template="no namespaces",
        needs=("namespaces",),
    ),
    Variant("throwaway users", ("is the server's user",), walls=_USERS, needs=_USERS),
    Variant(
        "throwaway users, seccomp, landlock",
        ("signals the holder",),
        walls=("throwaway_users", "seccomp", "landlock"),
        needs=_USERS,
    ),
    Variant("dropped capabilities", ("may be given capabilities",), below=("dropped capabilities",), needs=_USERS),
    Variant(
        "dropped capabilities, throwaway users",
        ("has capabilities",),
        walls=_USERS,
        below=("dropped capabilities",),
        needs=_USERS,
    ),
    Variant("no_new_privs", (), below=("no_new_privs",), stops_runs=True),
    Variant(
        "no_new_privs, landlock, seccomp",
        ("may gain privileges",),
        walls=("landlock", "seccomp"),
        below=("no_new_privs",),
    ),
    Variant(
        "hidden memory, throwaway users, landlock, namespaces",
        ("looks into its holder",),
        walls=("throwaway_users", "landlock"),
        template="no namespaces",
        below=("hidden memory",),
        needs=_USERS,
    ),
    Variant("closed descriptors", ("sees foreign descriptors",), below=("closed descriptors",)),
    Variant("clean environment", ("sees the server's environment",), template="unclean environment"),
    Variant("hidden modules", ("imports the server's own packages",), below=("hidden modules",)),
    Variant("fresh random state", ("foresees random numbers",), below=("fresh random state",)),
    Variant("lower priority", ("runs before the server",), below=("lower priority",)),
    Variant("limit of address space", ("reserves memory without end",), below=("address space",)),
    Variant("limit of CPU time (kernel's)", ("computes for ever",), below=("cpu time",)),
    Variant("limit of file size", ("writes a file of a gigabyte",), below=("file size",)),
    Variant("limit of open files", ("opens a thousand files",), below=("open files",)),
    Variant(
        "limit of the user's processes",
        ("starts a hundred threads",),
        below=("processes of the user",),
        needs=_USERS,
    ),
    Variant("limit of core files", ("leaves a core file",), below=("core files",)),
    Variant("limit of locked memory", ("locks memory",), below=("locked memory",)),
    Variant("limit of message queues", ("keeps messages in queues",), below=("message queues",)),
    Variant("limit of waiting signals", ("has a thousand signals wait",), below=("waiting signals",)),
    Variant("scratch of its own", ("finds what an earlier run left",), here=_share_scratch),
    Variant("watch of memory", ("copies the dataset",), here=_count(used=0)),
    Variant("watch of threads", ("starts more threads than its limit",), here=_count(threads=1)),
    Variant("watch of CPU time", ("computes longer than its time",), here=_blind(Gauge, "cpu_s", 0.0)),
    Variant("watch of scratch", ("fills its scratch",), here=_blind(watchdog, "scratch_use", _EMPTY)),
    Variant("deadline", ("takes longer than its time",), here=_blind(watchdog.Watchdog, "_on_deadline", None)),
    Variant("cap of output", ("prints without end",), template="uncapped output"),
    Variant(
        "sealed result", ("makes its result larger than its file", "cuts its result under its reader"), here=_no_seals
    ),
)
