"""Random tasks, one after the other on seats that live long: most leave something behind, some are what people do."""

import random
from typing import Any

import pytest

from tests.attacks.workloads import WORKLOADS
from tests.unit.sandbox.conftest import answer
from tests.unit.sandbox.rewind.conftest import Rewinding
from tests.unit.sandbox.rewind.pollution import POLLUTIONS, PROBE
from tests.unit.sandbox.test_workloads import code_of, missing_library

RUNS = 6000
SEATS = 3
WORK_EVERY, PROBE_EVERY, END_EVERY, TOLD_EVERY = 12, 15, 200, 500
LIMITS: dict[str, Any] = {"timeout_s": 120, "memory_bytes": 2 * 2**30}


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_nothing_differs_after_thousands_of_runs(rewinding: Rewinding) -> None:
    """Also where the pages that are written back are learned again. ``rewind`` compares all memory each time."""
    harmless = [one for one in POLLUTIONS.values() if one.unfit is None]
    ending = [one for one in POLLUTIONS.values() if one.unfit is not None]
    work = [one for one in WORKLOADS if missing_library(one) is None]
    seats = [Rewinding(rewinding.rig, rewinding.source, rewinding.dataset) for _ in range(SEATS)]
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    fresh = {id(seat): made_anew(seat) for seat in seats}
    for number in range(1, RUNS + 1):
        seat = chance.choice(seats)
        if number % TOLD_EVERY == 0:
            print(f"seed={seed} runs={number}", flush=True)
        if seat.is_old:
            fresh[id(seat)] = made_anew(seat)
        if number % PROBE_EVERY == 0:
            assert seat.answer(PROBE, **LIMITS) == fresh[id(seat)], (seed, number)
            continue
        if number % WORK_EVERY == 0:
            done = chance.choice(work)
            assert isinstance(answer(seat.run(code_of(done), **LIMITS, cpus=4)), list), (seed, number, done.__name__)
            assert seat.rewind() is None, (seed, number, done.__name__)
            continue
        chosen = chance.choice(ending if number % END_EVERY == 0 else harmless)
        seat.run(chosen.code, **LIMITS)
        assert seat.rewind() == chosen.unfit, (seed, number, chosen)
        if chosen.unfit is not None:
            fresh[id(seat)] = made_anew(seat)
    for seat in seats:
        seat.end()


def made_anew(seat: Rewinding) -> Any:
    """What a new seat's first run sees."""
    seat.make(**LIMITS)
    return seat.answer(PROBE, **LIMITS)
