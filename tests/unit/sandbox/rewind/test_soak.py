"""Random tasks that leave something behind, one after the other on seats that live long."""

import random

import pytest

from runtime.sandbox.guest.rewind.rewinder import LEARN_AGAIN_AFTER
from tests.unit.sandbox.rewind.conftest import Rewinding
from tests.unit.sandbox.rewind.pollution import POLLUTIONS

RUNS = 20 * LEARN_AGAIN_AFTER


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_nothing_differs_after_thousands_of_runs(rewinding: Rewinding) -> None:
    """Also where the pages that are written back are learned again. ``rewind`` compares all memory each time."""
    harmless = [one for one in POLLUTIONS.values() if one.unfit is None]
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for number in range(RUNS):
        chosen = chance.choice(harmless)
        rewinding.run(chosen.code)
        assert rewinding.rewind() is None, (seed, number, chosen.row)
