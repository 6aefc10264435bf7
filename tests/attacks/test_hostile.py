"""Every attack ends as it may, and leaves nothing behind."""

import pytest

from tests.attacks.arena import Arena
from tests.attacks.suite import Attack, collection, own

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("attack", [*collection(), *own()], ids=lambda attack: attack.name)
def test_an_attack_ends_as_it_may_and_leaves_nothing(arena: Arena, attack: Attack) -> None:
    outcome = arena.attack(attack.code)
    arena.table.append((attack.name, outcome.kind, outcome.seconds * 1000, outcome.stopped_by))
    attack.judge(outcome)
    arena.check(outcome)
