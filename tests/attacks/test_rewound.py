"""Every attack again, on a seat that has served a run before and was rewound."""

from dataclasses import replace

import pytest

from tests.attacks.arena import Arena
from tests.attacks.report import Ended
from tests.attacks.suite import Attack, collection, own
from tests.waiting import SLOW_S

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

ON_REWOUND_SEATS = {
    # It has no hard limit of CPU time, because it serves many runs: the runner looks at ``cpu_s`` ten times a second,
    # and a run can raise the limit that would end it two seconds later.
    "raise_own_limits": {"unbounded": ["RLIMIT_CPU"]},
    # Its gate is a socket beside that of its answers. Whoever reads there gets what the keeper sends to restored seats.
    "inherited_fds": {"sockets": False},
}
"""Results that differ from those on other seats."""


def attacks() -> list[Attack]:
    """All of them, as they may end on a rewound seat."""
    return [
        replace(one, expectation={**one.expectation, "result": ON_REWOUND_SEATS[one.name]})
        if one.name in ON_REWOUND_SEATS
        else one
        for one in (*collection(), *own())
    ]


@pytest.mark.parametrize("attack", attacks(), ids=lambda attack: attack.name)
def test_an_attack_on_a_later_run_ends_in_an_allowed_way_and_leaves_nothing(
    rewound_arena: Arena, attack: Attack
) -> None:
    arena = rewound_arena
    outcome = arena.attack(attack.code)
    if outcome.kind == "timeout" and "timeout" not in attack.outcomes:  # on a slow machine
        outcome = arena.attack(attack.code, timeout_s=SLOW_S)
    kept = False
    try:
        attack.judge(outcome)
        arena.check(outcome)
        kept = True
    finally:
        mode = f"{arena.mode.name}, rewound"
        arena.table.append(Ended(attack.name, mode, outcome.kind, outcome.seconds * 1000, outcome.stopped_by, kept))


def test_the_server_says_that_seats_are_rewound(rewound_arena: Arena) -> None:
    assert "\n  rewound     on (userfaultfd, " in rewound_arena.server.output
