"""Thousands of good and hostile runs leave the server as it was: memory flat, descriptors flat, nobody unreaped."""

from __future__ import annotations

import os
import random
import statistics
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import pytest

from tests.attacks.arena import GOOD, Arena, Outcome
from tests.attacks.conftest import SOAKED
from tests.attacks.state import RUNNER_SLACK, State, anonymous_bytes
from tests.attacks.suite import Attack, collection, own
from tests.waiting import settled

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.best_mode]

CALLS = int(os.environ.get("GRAPHSIDE_SOAK_CALLS", "20000"))
SAMPLES = 20
CLIENTS = 4
WARM_UP = 0.25
"""The share of calls after which caches and arenas have grown to what they need."""

MOST_BYTES_A_CALL = 1024


@pytest.mark.timeout(7200)
def test_thousands_of_runs_leave_nothing(arena: Arena, request: pytest.FixtureRequest) -> None:
    hostile = [one for one in (*collection(), *own()) if not one.outcomes & {"timeout", "scratch"}]
    good = Attack("good", GOOD, frozenset({"ok"}), frozenset(), {"result": arena.good})
    dice = random.Random(5)
    calls = [dice.choice(hostile) if dice.random() < 0.5 else good for _ in range(CALLS)]
    step = max(1, CALLS // SAMPLES)
    samples: list[tuple[int, State, int]] = []
    ended: Counter[str] = Counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for done in range(0, CALLS, step):
            batch = calls[done : done + step]
            outcomes = clients.map(lambda one: arena.attack(one.code, timeout_s=30), batch)
            for attack, outcome in zip(batch, outcomes, strict=True):
                assert_fits(attack, outcome, arena)
                ended[outcome.kind] += 1
            samples.append((done + len(batch), *rest(arena)))
    late = [sample for sample in samples if sample[0] > WARM_UP * CALLS]
    counts = [float(count) for count, *_ in late]
    slopes = {
        "replica": slope(counts, [float(one) for _, _, one in late]),
        "template": slope(counts, [float(state.template_bytes) for _, state, _ in late]),
        "holders": slope(counts, [float(state.holder_bytes) for _, state, _ in late]),
    }
    request.config.stash[SOAKED].extend(
        [("calls", f"{CALLS}: {dict(ended)}")]
        + [(f"{name}, bytes a call", f"{value:.0f}") for name, value in slopes.items()]
        + [("replica, MB by calls", ", ".join(f"{count}: {size / 1e6:.1f}" for count, _, size in samples))]
        + [("descriptors of replica, template, holder", descriptors(late[0][1], late[-1][1]))]
    )
    assert all(value < MOST_BYTES_A_CALL for value in slopes.values()), slopes
    for _, state, _ in late:
        assert not state.zombies
        assert not state.strangers
        assert state.server == arena.before.server
        assert state.holders == arena.before.holders
        assert state.template_descriptors <= arena.before.template_descriptors
        assert state.holder_descriptors <= arena.before.holder_descriptors
        assert state.runner_descriptors <= arena.before.runner_descriptors + RUNNER_SLACK
        assert state.scratch == arena.before.scratch


def assert_fits(attack: Attack, outcome: Outcome, arena: Arena) -> None:
    attack.judge(outcome)
    assert arena.canary.encode() not in outcome.raw


def rest(arena: Arena) -> tuple[State, int]:
    """Return the state and the replica's private bytes, once running work has ended."""
    state = settled(lambda: State.of(arena.place), lambda now: now.settled(arena.before), 10, 0.05)
    return state, anonymous_bytes(arena.place.runner)


def slope(counts: list[float], values: list[float]) -> float:
    """Return the median slope between two samples; a single jump does not change it."""
    pairs = combinations(zip(counts, values, strict=True), 2)
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)


def descriptors(first: State, last: State) -> str:
    names = ("runner_descriptors", "template_descriptors", "holder_descriptors")
    return ", ".join(f"{getattr(first, name)} -> {getattr(last, name)}" for name in names)
