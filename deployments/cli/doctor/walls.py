"""Isolation layers: which this machine has, and which this version of graphside puts around a run."""

from dataclasses import dataclass

from deployments.cli.doctor.findings import Finding
from deployments.cli.doctor.probing import ProbeFailed, run_probe


@dataclass(frozen=True, slots=True)
class Layer:
    """``name`` as it is shown; ``used`` by this version, which then needs it."""

    name: str
    used: bool


LAYERS = {
    "no_new_privs": Layer("no_new_privs", used=True),
    "rlimits": Layer("rlimits", used=True),
    "closed_descriptors": Layer("closed descriptors", used=True),
    "scratch": Layer("own scratch directory", used=True),
    "priority": Layer("lower priority", used=True),
    "parent_death": Layer("death with the parent", used=True),
    "pidfd": Layer("pidfd", used=True),
    "memfd_sealing": Layer("memfd sealing", used=True),
    "landlock": Layer("Landlock", used=False),
    "seccomp": Layer("seccomp", used=False),
    "user_namespaces": Layer("user namespaces", used=False),
    "cgroup_v2": Layer("cgroup v2 delegated", used=False),
}
"""By the name of their probe (``wall_probe.py``). ``used`` follows ``runtime/sandbox``: what a seat really wears."""


def examine() -> tuple[Finding, ...]:
    """One finding a layer."""
    try:
        answers = run_probe("wall_probe")
    except ProbeFailed as error:
        return (Finding("isolation", "missing", f"could not be tried: {error}"),)
    return tuple(_finding(layer, answers[key]) for key, layer in LAYERS.items())


def summary(findings: tuple[Finding, ...]) -> dict[str, tuple[str, ...]]:
    """Which layers stand around a run, and which could but do not."""
    working = {found.name for found in findings if found.data.get("works")}
    return {
        "In use by this version": tuple(one.name for one in LAYERS.values() if one.used and one.name in working),
        "Available here, not used yet": tuple(
            one.name for one in LAYERS.values() if not one.used and one.name in working
        ),
        "Not available here": tuple(one.name for one in LAYERS.values() if one.name not in working),
    }


def _finding(layer: Layer, answer: dict[str, object]) -> Finding:
    works = bool(answer["works"])
    data = {**answer, "used": layer.used}
    if works:
        return Finding(layer.name, "ok", str(answer["detail"]), data)
    return Finding(layer.name, "missing" if layer.used else "absent", f"no: {answer['detail']}", data)
