"""Every attack ends as it may, and leaves nothing behind."""

from pathlib import Path

import pytest

from tests.attacks.arena import Arena
from tests.attacks.report import Ended
from tests.attacks.suite import Attack, collection, own
from tests.waiting import SLOW_S

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("attack", [*collection(), *own()], ids=lambda attack: attack.name)
def test_an_attack_ends_in_an_allowed_way_and_leaves_nothing(arena: Arena, attack: Attack) -> None:
    outcome = arena.attack(attack.code)
    if outcome.kind == "timeout" and "timeout" not in attack.outcomes:  # on a slow machine
        outcome = arena.attack(attack.code, timeout_s=SLOW_S)
    kept = False
    try:
        attack.judge(outcome)
        arena.check(outcome)
        kept = True
    finally:
        arena.table.append(
            Ended(attack.name, arena.mode.name, outcome.kind, outcome.seconds * 1000, outcome.stopped_by, kept)
        )


def test_the_walls_of_the_mode_stand(arena: Arena) -> None:
    for name in arena.mode.walls:
        assert f"{name} on" in arena.walls_line, arena.walls_line
    for name in arena.mode.lacks:
        assert f"{name} off" in arena.walls_line, arena.walls_line


def test_runs_are_the_first_to_die_when_memory_runs_out(arena: Arena) -> None:
    holders = arena.place.template.children()
    seats = [seat for holder in holders for seat in holder.children()]
    assert holders
    assert seats
    for process, score in (*((one, 100) for one in holders), *((one, 1000) for one in seats)):
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == f"{score}\n"
