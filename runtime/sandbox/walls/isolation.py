"""From what an operator asks for and what a machine offers to the walls that stand, or a refusal to start."""

import os
from collections.abc import Mapping
from typing import Final, Literal

from runtime.sandbox.walls.enclosure import NONE, Walls
from runtime.sandbox.walls.probe import examine
from runtime.sandbox.walls.trial import Found

Isolation = Literal["strict", "standard", "minimal", "off"]

REQUIRED: Final[dict[Isolation, tuple[str, ...]]] = {
    "strict": ("landlock", "seccomp", "namespaces"),
    "standard": ("landlock", "seccomp"),
    "minimal": ("seccomp",),
    "off": (),
}


class WallMissing(RuntimeError):
    """The machine lacks a wall that the setting ``isolation`` asks for."""


def choose_walls(isolation: Isolation, found: Mapping[str, Found], *, is_root: bool) -> Walls:
    """Every wall that holds here. Raises ``WallMissing`` where one that ``isolation`` requires does not.

    ``strict`` also asks for throwaway users where the server is root: without them its runs would be root's.
    """
    if isolation == "off":
        return NONE
    required = REQUIRED[isolation] + (("throwaway_users",) if isolation == "strict" and is_root else ())
    missing = [name for name in required if not found[name].works]
    if missing:
        reasons = "; ".join(f"{name}: {found[name].detail}" for name in missing)
        raise WallMissing(f"isolation {isolation!r} needs what this machine does not have ({reasons})")
    return Walls(
        landlock=found["landlock"].version if found["landlock"].works else 0,
        seccomp=found["seccomp"].works,
        namespaces=found["namespaces"].works,
        throwaway_users=found["throwaway_users"].works,
        cgroup=found["cgroup"].works,
    )


def standing(walls: Walls) -> dict[str, bool]:
    """Which of the walls that a machine may lack stand, by the names of the probe."""
    return {
        "landlock": bool(walls.landlock), "seccomp": walls.seccomp, "namespaces": walls.namespaces,
        "throwaway_users": walls.throwaway_users, "cgroup": walls.cgroup,
    }  # fmt: skip


def describe(isolation: Isolation, walls: Walls, found: Mapping[str, Found]) -> str:
    """One line for the log: what stands, and why the rest does not."""
    if isolation == "off":
        return "isolation off: tasks can do what the server's user can do; for debugging only"
    told = [f"{name} on" if on else f"{name} off ({found[name].detail})" for name, on in standing(walls).items()]
    return f"isolation {isolation}: rlimits on | no_new_privs on | {' | '.join(told)}"


def find_walls(isolation: Isolation, environment: dict[str, str]) -> tuple[Walls, str]:
    """The walls for runs on this machine, found out by trying, and the line that tells of them.

    Raises ``WallMissing``, and ``OSError`` where they could not be tried.
    """
    found = examine(environment)
    walls = choose_walls(isolation, found, is_root=os.geteuid() == 0)
    return walls, describe(isolation, walls, found)


def remark(isolation: Isolation) -> str:
    """What every log line of a run ends with where less stands than should."""
    return f" isolation={isolation}" if isolation in ("off", "minimal") else ""
