"""From what an operator asks for and what a machine offers to the walls that stand, or a refusal to start."""

import logging
from collections.abc import Mapping
from typing import Final, Literal

from runtime.sandbox.walls.enclosure import NONE, Walls
from runtime.sandbox.walls.probe import Found

log = logging.getLogger("graphside.sandbox")

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
    )


def describe(isolation: Isolation, walls: Walls, found: Mapping[str, Found]) -> str:
    """One line for the log: what stands, and why the rest does not."""
    if isolation == "off":
        return "isolation off: tasks can do what the server's user can do; for debugging only"
    standing = {
        "landlock": bool(walls.landlock), "seccomp": walls.seccomp, "namespaces": walls.namespaces,
        "throwaway_users": walls.throwaway_users,
    }  # fmt: skip
    told = [f"{name} on" if on else f"{name} off ({found[name].detail})" for name, on in standing.items()]
    return f"isolation {isolation}: rlimits on | no_new_privs on | {' | '.join(told)}"
