"""The walls that stand around a run on this machine, found by the server's own probe."""

import os
from collections.abc import Mapping
from typing import Final, get_args

from deployments.cli.doctor.findings import Finding
from runtime.sandbox.walls.delegation import enter_leaf
from runtime.sandbox.walls.isolation import Isolation, WallMissing, choose_walls, standing
from runtime.sandbox.walls.probe import examine
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
"""What every run uses, whatever the setting ``isolation``; by the names of ``walls/basics.py``."""

WALLS: Final = {
    "landlock": "Landlock",
    "seccomp": "seccomp",
    "namespaces": "namespaces",
    "throwaway_users": "throwaway users",
    "cgroup": "cgroup v2",
}
"""The walls that ``isolation`` is about; by the names of ``walls/probe.py``."""

_ADVICE: Final = {
    "landlock": "Linux 5.13 or newer has it, where /sys/kernel/security/lsm names it; gVisor has none",
    "seccomp": "a kernel with filters, x86-64 or aarch64, in a container whose own filter lets `seccomp` through",
    "cgroup": "limits of all runs together, where one is delegated: docs/security.md, Control groups",
    "namespaces": "a second wall, which containers and hardened kernels mostly forbid; only `strict` asks for it",
}

_SUMMARY: Final = ("Around a run here", "Not around a run here", "Values of isolation that this machine is good for")


def examine_walls(isolation: Isolation, environment: dict[str, str]) -> tuple[Finding, ...]:
    """Return one finding for each layer, and one for whether a server with this ``isolation`` would start here."""
    enter_leaf()  # as `graphside serve` does
    try:
        found = examine(environment)
    except OSError as error:
        return (Finding("isolation", "missing", str(error)),)
    return (*(_layer(name, found[key]) for key, name in LAYERS.items()), *_walls(isolation, found))


def good_for(found: Mapping[str, Found], *, is_root: bool) -> dict[str, str]:
    """By value of ``isolation``: empty where the machine is good for it, else why it is not."""
    reasons: dict[str, str] = {}
    for mode in MODES:
        try:
            choose_walls(mode, found, is_root=is_root)
            reasons[mode] = ""
        except WallMissing as error:
            reasons[mode] = str(error)
    return reasons


def summary(findings: tuple[Finding, ...]) -> dict[str, tuple[str, ...]]:
    """Which layers stand around a run, which do not, and for which values of ``isolation`` that is enough."""
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
        text = f"{isolation}; this machine is good for {', '.join(good)}"
        finding = Finding("isolation", "warning" if weak else "ok", text, data)
    return (*(_wall(key, name, found[key], stands[key]) for key, name in WALLS.items()), finding)


def _wall(key: str, name: str, found: Found, stands: bool) -> Finding:
    data = {"works": found.works, "detail": found.detail, "version": found.version, "around_runs": stands}
    if not found.works:
        advice = f" ({_ADVICE[key]})" if key in _ADVICE else ""
        return Finding(name, "absent", f"no: {found.detail}{advice}", data)
    return Finding(name, "ok", f"{found.detail}{'' if stands else '; not put up, as isolation says'}", data)
