"""Decides which walls runs get, from the isolation that the operator asks for and what the machine offers."""

import os
from collections.abc import Mapping
from typing import Final, Literal

from runtime.sandbox.walls.enclosure import NONE, Walls
from runtime.sandbox.walls.probe import examine
from runtime.sandbox.walls.rewind import SEALED, SEALED_VERSION, TRACKED, RewindMode
from runtime.sandbox.walls.trial import Found

Isolation = Literal["strict", "standard", "minimal", "off"]

REQUIRED: Final[dict[Isolation, tuple[str, ...]]] = {
    "strict": ("landlock", "seccomp", "namespaces"),
    "standard": ("landlock", "seccomp"),
    "minimal": ("seccomp",),
    "off": (),
}

REWINDING_NEEDS: Final = ("seccomp", "landlock")
"""Without a filter nothing bounds what a run may leave in the kernel. Without Landlock a run may write to its own files
in ``/proc``, such as its memory past all protection."""


class WallMissing(RuntimeError):
    """The machine lacks a wall that the setting ``isolation`` requires."""


def choose_walls(isolation: Isolation, found: Mapping[str, Found], *, is_root: bool) -> Walls:
    """Return all walls that work here. Raises ``WallMissing`` if one that ``isolation`` requires does not.

    If the server is root, ``strict`` also requires throwaway users, because runs would otherwise be root's.
    """
    if isolation == "off":
        return NONE
    required = REQUIRED[isolation] + (("throwaway_users",) if isolation == "strict" and is_root else ())
    missing = [name for name in required if not found[name].works]
    if missing:
        reasons = "; ".join(f"{name}: {found[name].detail}" for name in missing)
        raise WallMissing(f"isolation {isolation!r} requires walls that this machine does not have ({reasons})")
    return Walls(
        landlock=found["landlock"].version if found["landlock"].works else 0,
        seccomp=found["seccomp"].works,
        namespaces=found["namespaces"].works,
        throwaway_users=found["throwaway_users"].works,
        cgroup=found["cgroup"].works,
        rewind=_rewind_mode(found),
    )


def why_not_rewound(walls: Walls, found: Mapping[str, Found]) -> str:
    """Return why seats cannot be rewound behind these walls; an empty text if they can."""
    if not walls.seccomp:
        return "runs have no filter of system calls here"
    if not walls.landlock:
        return "runs have no Landlock here"
    return "" if found["rewind"].works else found["rewind"].detail


def _rewind_mode(found: Mapping[str, Found]) -> RewindMode:
    if not all(found[name].works for name in (*REWINDING_NEEDS, "rewind")):
        return ""
    return SEALED if found["rewind"].version == SEALED_VERSION else TRACKED


def standing(walls: Walls) -> dict[str, bool]:
    """Return which of the walls that a machine may lack are up, by the names of their probes."""
    return {
        "landlock": bool(walls.landlock), "seccomp": walls.seccomp, "namespaces": walls.namespaces,
        "throwaway_users": walls.throwaway_users, "cgroup": walls.cgroup,
    }  # fmt: skip


def describe(isolation: Isolation, walls: Walls, found: Mapping[str, Found]) -> str:
    """Return one line for the log: which walls are up, and why others are not."""
    if isolation == "off":
        return "isolation off: tasks can do what the server's user can do; for debugging only"
    parts = [f"{name} on" if on else f"{name} off ({found[name].detail})" for name, on in standing(walls).items()]
    return f"isolation {isolation}: rlimits on | no_new_privs on | {' | '.join(parts)}"


def find_walls(isolation: Isolation, environment: dict[str, str]) -> tuple[Walls, str, str]:
    """Try the walls of this machine. Return those that runs get, a line for the log, and why seats cannot be rewound.

    Raises ``WallMissing``, and ``OSError`` if the walls could not be tried.
    """
    found = examine(environment)
    walls = choose_walls(isolation, found, is_root=os.geteuid() == 0)
    return walls, describe(isolation, walls, found), why_not_rewound(walls, found)


def remark(isolation: Isolation) -> str:
    """Return what log lines of runs end with if the isolation is weak."""

    return f" isolation={isolation}" if isolation in ("off", "minimal") else ""
