"""A task cannot change what was mapped before it, or its seat ends. Two modes do this in their own way."""

from typing import Any

import pytest

from tests.unit.sandbox.conftest import answer
from tests.unit.sandbox.rewind.conftest import Rewinding
from tests.unit.sandbox.rewind.mapping_tricks import TRICKS
from tests.unit.sandbox.rewind.pollution import POLLUTIONS, PROBE, Pollution

STACK_GROWN = """
import ctypes, resource
def task(g):
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    if hard != resource.RLIM_INFINITY:
        return None  # without mseal: it cannot grow
    resource.setrlimit(resource.RLIMIT_STACK, (16 << 20, hard))
    stack = next(line for line in open("/proc/self/maps") if "[stack]" in line)
    ctypes.c_ubyte.from_address(int(stack.split("-")[0], 16) - 65536).value = 1
    return 1
"""


@pytest.fixture(scope="session")
def fresh(unsealed: Rewinding) -> dict[str, Any]:
    """What the first run sees where mappings are not sealed."""
    seen: dict[str, Any] = unsealed.answer(PROBE)
    return seen


@pytest.mark.usefixtures("needs_sealing")
@pytest.mark.parametrize("pollution", TRICKS.values(), ids=TRICKS)
def test_sealed_mappings_stay_as_they_are(rewinding: Rewinding, pollution: Pollution) -> None:
    assert rewinding.run(pollution.code).failure is None
    assert rewinding.rewind() is None


@pytest.mark.parametrize("pollution", TRICKS.values(), ids=TRICKS)
def test_where_they_are_not_sealed_each_change_ends_the_seat(
    unsealed: Rewinding, fresh: dict[str, Any], pollution: Pollution
) -> None:
    assert unsealed.run(pollution.code).failure is None
    assert unsealed.rewind() == pollution.unfit
    assert unsealed.answer(PROBE) == fresh


@pytest.mark.usefixtures("needs_sealing")
def test_a_stack_that_grew_ends_the_seat(rewinding: Rewinding, unsealed: Rewinding) -> None:
    assert answer(rewinding.run(STACK_GROWN)) == 1
    assert rewinding.rewind() == "mappings"
    assert unsealed.answer(STACK_GROWN) is None


@pytest.mark.soak
@pytest.mark.parametrize("pollution", POLLUTIONS.values(), ids=POLLUTIONS)
def test_what_a_run_leaves_is_undone_there_as_well(
    unsealed: Rewinding, fresh: dict[str, Any], pollution: Pollution
) -> None:
    unsealed.run(pollution.code)
    assert unsealed.rewind() == pollution.unfit
    assert unsealed.answer(PROBE) == fresh
