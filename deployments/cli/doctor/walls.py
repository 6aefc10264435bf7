"""Examines the walls that stand around a run on this machine, with the server's own probe."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from deployments.cli.doctor.findings import Finding
from runtime.sandbox.walls.delegation import enter_leaf
from runtime.sandbox.walls.enclosure import NONE
from runtime.sandbox.walls.isolation import Isolation, WallMissing, choose_walls, standing, why_not_rewound
from runtime.sandbox.walls.probe import examine
from runtime.sandbox.walls.rewind import RewoundBetween, describe_rewinding
from runtime.sandbox.walls.trial import Found

MODES: Final[tuple[Isolation, ...]] = get_args(Isolation)

LAYERS: Final = {
    "no_new_privs": "no_new_privs",
    "rlimits": "rlimits",
    "closed_descriptors": "closed descriptors",
    "scratch": "own scratch directory",
    "priority": "lower priority",
    "parent_death": "death with the parent",
    "pidfd": "pidfd",
    "memfd_sealing": "memfd sealing",
}
"""The layers of every run, whatever the setting ``isolation``. Keys are the names of ``walls/basics.py``."""

WALLS: Final = {
    "landlock": "Landlock",
    "seccomp": "seccomp",
    "namespaces": "namespaces",
    "throwaway_users": "throwaway users",
    "cgroup": "cgroup v2",
}
"""The walls that ``isolation`` chooses. Keys are the names of ``walls/probe.py``."""

_ADVICE: Final = {
    "landlock": "it needs Linux 5.13 or newer with landlock in /sys/kernel/security/lsm; gVisor does not have it",
    "seccomp": "it needs x86-64 or aarch64, a kernel with seccomp filters, and a container that allows `seccomp`",
    "cgroup": "it limits all runs together and needs a delegated control group: docs/security.md, Control groups",
    "namespaces": "it is a second wall that most containers and hardened kernels forbid; only `strict` needs it",
}

_SUMMARY: Final = ("Around a run here", "Not around a run here", "Values of isolation that this machine is good for")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings of these names say."""

    isolation: Isolation
    rewound_seats: int
    rewound_between: RewoundBetween
    reused_seats: int


def examine_walls(wanted: Wanted, environment: dict[str, str]) -> tuple[Finding, ...]:
    """Return one finding for each layer, one for whether a server with these settings would start here, and one for
    whether it would rewind seats."""
    enter_leaf()  # as `graphside serve` does
    try:
        found = examine(environment)
    except OSError as error:
        return (Finding("isolation", "missing", str(error)),)
    layers = (_layer(name, found[key]) for key, name in LAYERS.items())
    return (*layers, *_walls(wanted.isolation, found), _rewound_seats(wanted, found))


def around_runs(findings: tuple[Finding, ...]) -> dict[str, str]:
    """Return the walls that would stand around a run, by the names of their probes, with what the probes said."""
    data = {found.name: found.data for found in findings}
    return {key: str(data[name]["detail"]) for key, name in WALLS.items() if name in data and data[name]["around_runs"]}


def good_for(found: Mapping[str, Found], *, is_root: bool) -> dict[str, str]:
    """Return for each value of ``isolation`` why this machine cannot provide it; an empty text if it can."""
    reasons: dict[str, str] = {}
    for mode in MODES:
        try:
            choose_walls(mode, found, is_root=is_root)
            reasons[mode] = ""
        except WallMissing as error:
            reasons[mode] = str(error)
    return reasons


def summary(findings: tuple[Finding, ...]) -> dict[str, tuple[str, ...]]:
    """Return which layers stand around a run, which do not, and for which values of ``isolation`` they suffice."""
    layers = [found for found in findings if "around_runs" in found.data]
    modes = next((found.data["good_for"] for found in findings if "good_for" in found.data), ())
    around, not_around, good = _SUMMARY
    return {
        around: tuple(found.name for found in layers if found.data["around_runs"]),
        not_around: tuple(found.name for found in layers if not found.data["around_runs"]),
        good: tuple(modes) if isinstance(modes, list) else (),
    }


def _layer(name: str, found: Found) -> Finding:
    data = {"works": found.works, "detail": found.detail, "around_runs": found.works}
    if found.works:
        return Finding(name, "ok", found.detail, data)
    return Finding(name, "missing", f"no: {found.detail}", data)


def _walls(isolation: Isolation, found: Mapping[str, Found]) -> tuple[Finding, ...]:
    reasons = good_for(found, is_root=os.geteuid() == 0)
    stands: Mapping[str, bool] = dict.fromkeys(WALLS, False)
    if not reasons[isolation]:
        stands = standing(choose_walls(isolation, found, is_root=os.geteuid() == 0))
    good = [mode for mode, reason in reasons.items() if not reason]
    data: dict[str, object] = {"isolation": isolation, "good_for": good}
    if reasons[isolation]:
        finding = Finding("isolation", "missing", f"the server would not start: {reasons[isolation]}", data)
    else:
        weak = isolation in ("minimal", "off")
        text = f"{isolation}; this machine can provide {', '.join(good)}"
        finding = Finding("isolation", "warning" if weak else "ok", text, data)
    return (*(_wall(key, name, found[key], stands[key]) for key, name in WALLS.items()), finding)


def _rewound_seats(wanted: Wanted, found: Mapping[str, Found]) -> Finding:
    try:
        walls = choose_walls(wanted.isolation, found, is_root=os.geteuid() == 0)
        why_not = why_not_rewound(walls, found)
    except WallMissing:
        walls, why_not = NONE, "the server would not start with this isolation"
    text = describe_rewinding(
        walls.rewind,
        why_not,
        seats=wanted.rewound_seats,
        between=wanted.rewound_between,
        reused_seats=wanted.reused_seats,
    )
    is_on = bool(wanted.rewound_seats and walls.rewind and not wanted.reused_seats)
    data = {"on": is_on, "mode": walls.rewind, "why_not": why_not, "seats": wanted.rewound_seats}
    return Finding("rewound seats", "ok" if is_on else "absent", text, {**data, "between": wanted.rewound_between})


def _wall(key: str, name: str, found: Found, stands: bool) -> Finding:
    data = {"works": found.works, "detail": found.detail, "version": found.version, "around_runs": stands}
    if not found.works:
        advice = f" ({_ADVICE[key]})" if key in _ADVICE else ""
        return Finding(name, "absent", f"no: {found.detail}{advice}", data)
    return Finding(name, "ok", f"{found.detail}{'' if stands else '; not used, as isolation says'}", data)
