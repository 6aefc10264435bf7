"""Each wall is proven by its absence: without it something that it forbids goes through, and only then."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runtime.errors import RuntimeFailure
from runtime.sandbox.host.environment import template_environment
from runtime.sandbox.walls.enclosure import Walls
from tests.attacks.absence.probes import PROBES, Probe
from tests.attacks.absence.rig import WeakRig, standing, weak_rig
from tests.attacks.absence.variants import VARIANTS, Variant
from tests.attacks.conftest import NOTICED
from tests.attacks.modes import folder_for_all, interpreter_for_all

MakeRig = Callable[[str], WeakRig]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    folder = folder_for_all(os.geteuid())
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def python(place: Path) -> str:
    return interpreter_for_all(place) or sys.executable


@pytest.fixture(scope="module")
def walls(python: str) -> Walls:
    return standing(python)


@pytest.fixture(scope="module")
def rig_of(place: Path, python: str, walls: Walls) -> Iterator[MakeRig]:
    """Rigs by the name of their template."""
    without = Walls(**{**walls.to_wire(), "namespaces": False})
    environment = {**template_environment(), "GRAPHSIDE_CANARY": "secret"}
    made: dict[str, WeakRig] = {}
    with ExitStack() as stack:

        def make(name: str) -> WeakRig:
            if name not in made:
                folder = place / name.replace(" ", "-")
                match name:
                    case "walled":
                        opened = weak_rig(folder, python, walls)
                    case "no namespaces":
                        opened = weak_rig(folder, python, without)
                    case "unclean environment":
                        opened = weak_rig(folder, python, walls, environment=environment)
                    case "uncapped output":
                        opened = weak_rig(folder, python, walls, output_bytes=2**40)
                    case _:
                        raise ValueError(name)
                made[name] = stack.enter_context(opened)
            return made[name]

        yield make


def means_something(probe: Probe, walls: Walls) -> bool:
    """Some things that only root's runs are kept from, and some that need a wall which this machine lacks."""
    needs = {
        "is the server's user": walls.throwaway_users,
        "may be given capabilities": os.geteuid() == 0,
        "learns the machine's process numbers": walls.namespaces,
        "starts a hundred threads": walls.throwaway_users,
        "runs before the server": os.getpriority(os.PRIO_PROCESS, 0) < 19,  # there is nothing lower
    }
    return needs.get(probe.name, True)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_with_all_walls_a_probe_fails(rig_of: MakeRig, walls: Walls, probe: Probe) -> None:
    if not means_something(probe, walls):
        pytest.skip("a wall that this is about does not stand on this machine")
    rig = rig_of("walled")
    source = rig.without(walls, ())
    outcomes = rig.outcomes(source, probe)
    told = [(one.cause, bytes(one.result)[:100], one.failure and one.failure.to_wire()) for one in outcomes]
    rig.forget(source)
    assert probe.holds(outcomes), told


@pytest.mark.parametrize(
    "everything", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["its-probes", "every-probe"]
)
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_without_one_wall_its_probe_gets_through(
    rig_of: MakeRig,
    walls: Walls,
    variant: Variant,
    everything: bool,
    monkeypatch: pytest.MonkeyPatch,
    record_noticed: Callable[[str, str], None],
) -> None:
    """The soak tries every quick probe, for the table that says what each wall alone keeps out."""
    for name in (*variant.needs, *variant.walls):
        if not getattr(walls, name):
            pytest.skip(f"{name} does not stand on this machine, so it cannot be left out")
    if not all(means_something(probe, walls) for probe in PROBES if probe.name in variant.notices):
        pytest.skip("what would be noticed means nothing on this machine")
    rig = rig_of(variant.template)
    if variant.here is not None:
        variant.here(monkeypatch)
    source = rig.without(variant.standing(walls), variant.below)
    if variant.stops_runs:
        with pytest.raises(RuntimeFailure):
            rig.outcomes(source, PROBES[0])
        record_noticed(variant.name, "every test that runs a task: none starts")
        return
    tried = [probe for probe in PROBES if probe.name in variant.notices or (everything and not probe.slow)]
    through = [probe.name for probe in tried if means_something(probe, walls) and not rig.holds(source, probe)]
    rig.forget(source)
    record_noticed(variant.name, "; ".join(through))
    assert set(through) >= set(variant.notices)


@pytest.fixture
def record_noticed(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Keeps a line for the table at the end of the run."""

    def record(wall: str, tests: str) -> None:
        request.config.stash[NOTICED].append((wall, tests))

    return record
