"""The command ``graphside doctor``."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.doctor.findings import Finding, Report
from deployments.cli.options import Data
from deployments.cli.server import server_environment


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    data: Data = None,
) -> None:
    """Check what this machine offers: isolation layers, limits, memory, disk, GPU, ports and names.

    The command tests each of them, and does not rely on what the system says it has.

    The exit status is 1 if something is missing that the server needs.
    """
    report = examine(server_environment({} if data is None else {"GRAPHSIDE_DATA": str(data)}))
    if as_json:
        print(report.to_json())
    else:
        report.show()
    raise typer.Exit(0 if report.ok else 1)


def examine(environment: Mapping[str, str]) -> Report:
    """Examine everything. A missing package is a finding too, so each section is imported when it is examined."""
    sections = {
        "Software": _guarded(_software, environment),
        "Settings": _guarded(_settings, environment),
        "Machine": _guarded(_machine, environment),
        "Isolation": _guarded(_walls, environment),
    }
    from deployments.cli.doctor import walls

    around = walls.around_runs(sections["Isolation"])
    sections["Limits"] = _guarded(lambda _: _limits(environment, around), environment)
    sections["Ports"] = _guarded(_ports, environment)
    sections["Names"] = _guarded(_names, environment)
    return Report(sections, walls.summary(sections["Isolation"]))


_Section = Callable[[Mapping[str, str]], tuple[Finding, ...]]


def _guarded(section: _Section, environment: Mapping[str, str]) -> tuple[Finding, ...]:
    try:
        return section(environment)
    except ImportError as error:
        return (Finding(error.name or "package", "missing", f"cannot be imported: {error}"),)
    except OSError as error:
        return (Finding("look", "warning", f"could not finish: {error.filename or ''} {error.strerror}"),)


def _software(environment: Mapping[str, str]) -> tuple[Finding, ...]:
    from deployments.cli.doctor import software

    return software.examine(environment)


def _settings(environment: Mapping[str, str]) -> tuple[Finding, ...]:
    from deployments.launch.errors import LaunchError
    from deployments.launch.options import read_options

    try:
        options = read_options(environment)
    except LaunchError as error:
        return (Finding("environment", "missing", str(error)),)
    if options.unknown:
        return (Finding("environment", "warning", f"sets unknown variables: {', '.join(options.unknown)}"),)
    given = [name for name in sorted(environment) if name.startswith("GRAPHSIDE_") or name == "ENABLE_PYTHON_ENDPOINT"]
    return (Finding("environment", "ok", f"sets {', '.join(given)}" if given else "defaults"),)


def _machine(environment: Mapping[str, str]) -> tuple[Finding, ...]:
    from deployments.cli.doctor import machine
    from deployments.launch.errors import LaunchError
    from deployments.launch.options import read_options

    try:
        gpu_wanted = read_options(environment).settings.gpu is not None
    except LaunchError:  # a finding of the section Settings
        gpu_wanted = False
    data_dir = Path(os.path.abspath(Path(environment.get("GRAPHSIDE_DATA") or ".graphside").expanduser()))
    return machine.examine(data_dir, gpu_wanted=gpu_wanted)


def _walls(environment: Mapping[str, str]) -> tuple[Finding, ...]:
    from deployments.cli.doctor import walls
    from deployments.launch.errors import LaunchError
    from deployments.launch.options import read_options
    from deployments.settings import Settings
    from runtime.sandbox.host.environment import template_environment

    try:
        settings = read_options(environment).settings
    except LaunchError:  # a finding of the section Settings
        settings = Settings()
    wanted = walls.Wanted(settings.isolation, settings.rewound_seats, settings.rewound_between, settings.reused_seats)
    return walls.examine_walls(wanted, template_environment())


def _limits(environment: Mapping[str, str], walls: Mapping[str, str]) -> tuple[Finding, ...]:
    from deployments.cli.doctor import limits
    from deployments.launch.errors import LaunchError
    from deployments.launch.options import read_options

    try:
        settings = read_options(environment).settings
    except LaunchError:
        return (Finding("limits", "absent", "not examined, because a setting is wrong"),)
    scratch = limits.Scratch(settings.scratch_home, settings.maximum.scratch_bytes, settings.data_dir)
    return limits.examine(scratch, walls)


def _names(environment: Mapping[str, str]) -> tuple[Finding, ...]:
    from deployments.cli.doctor import names
    from deployments.launch.errors import LaunchError
    from deployments.launch.options import read_options

    try:
        return names.examine(read_options(environment))
    except LaunchError:
        return (Finding("look-alikes", "absent", "not examined, because a setting is wrong"),)


def _ports(environment: Mapping[str, str]) -> tuple[Finding, ...]:
    from deployments.cli.doctor import ports
    from deployments.launch.errors import LaunchError
    from deployments.launch.options import read_options

    try:
        return ports.examine(read_options(environment))
    except LaunchError:
        return (Finding("ports", "absent", "not examined, because a setting is wrong"),)
