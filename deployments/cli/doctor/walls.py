"""What stands around a run on this machine: the walls, by the server's own probe, and what every run wears anywhere."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from deployments.cli.doctor.findings import Finding
from deployments.cli.doctor.probing import ProbeFailed, run_probe
from runtime.sandbox.walls.delegation import enter_leaf
from runtime.sandbox.walls.isolation import Isolation, WallMissing, choose_walls, standing
from runtime.sandbox.walls.probe import Found, examine

MODES: Final[tuple[Isolation, ...]] = get_args(Isolation)


@dataclass(frozen=True, slots=True)
class Layer:
    """``name`` as it is shown; ``used`` by every run, whatever the setting ``isolation``: without it nothing runs."""

    name: str
    used: bool


LAYERS: Final = {
    "no_new_privs": Layer("no_new_privs", used=True),
    "rlimits": Layer("rlimits", used=True),
    "closed_descriptors": Layer("closed descriptors", used=True),
    "scratch": Layer("own scratch directory", used=True),
    "priority": Layer("lower priority", used=True),
    "parent_death": Layer("death with the parent", used=True),
    "pidfd": Layer("pidfd", used=True),
    "memfd_sealing": Layer("memfd sealing", used=True),
}
"""By the name of their probe (``wall_probe.py``)."""

WALLS: Final = {
    "landlock": Layer("Landlock", used=False),
    "seccomp": Layer("seccomp", used=False),
    "namespaces": Layer("namespaces", used=False),
    "throwaway_users": Layer("throwaway users", used=False),
    "cgroup": Layer("cgroup v2", used=False),
}
"""By their name in ``runtime/sandbox/walls``: the ones that ``isolation`` is about."""

_ADVICE: Final = {
    "landlock": "Linux 5.13 or newer has it, where /sys/kernel/security/lsm names it; gVisor has none",
    "seccomp": "a kernel with filters, x86-64 or aarch64, in a container whose own filter lets `seccomp` through",
    "cgroup": "limits of all runs together, where one is delegated: docs/security.md, Control groups",
    "namespaces": "a second wall, which containers and hardened kernels mostly forbid; only `strict` asks for it",
}

_SUMMARY: Final = ("Around a run here", "Not around a run here", "Values of isolation that this machine is good for")


def examine_walls(isolation: Isolation, environment: dict[str, str]) -> tuple[Finding, ...]:
    """One finding a layer, one for ``isolation``: whether a server with that value would start here."""
    return (*_layers(), *_walls(isolation, environment))


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


def _layers() -> tuple[Finding, ...]:
    try:
        answers = run_probe("wall_probe")
    except ProbeFailed as error:
        return (Finding("layers", "missing", f"could not be tried: {error}"),)
    return tuple(_layer(layer, answers[key]) for key, layer in LAYERS.items())


def _layer(layer: Layer, answer: dict[str, object]) -> Finding:
    works = bool(answer["works"])
    data = {**answer, "around_runs": works and layer.used}
    if works:
        return Finding(layer.name, "ok", f"{answer['detail']}{'' if layer.used else '; not used'}", data)
    return Finding(layer.name, "missing" if layer.used else "absent", f"no: {answer['detail']}", data)


def _walls(isolation: Isolation, environment: dict[str, str]) -> tuple[Finding, ...]:
    enter_leaf()  # as `graphside serve` does
    try:
        found = examine(environment)
    except OSError as error:
        return (Finding("isolation", "missing", str(error)),)
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
    return (*(_wall(key, layer, found[key], stands[key]) for key, layer in WALLS.items()), finding)


def _wall(key: str, layer: Layer, found: Found, stands: bool) -> Finding:
    data = {"works": found.works, "detail": found.detail, "version": found.version, "around_runs": stands}
    if not found.works:
        advice = f" ({_ADVICE[key]})" if key in _ADVICE else ""
        return Finding(layer.name, "absent", f"no: {found.detail}{advice}", data)
    return Finding(layer.name, "ok", f"{found.detail}{'' if stands else '; not put up, as isolation says'}", data)
