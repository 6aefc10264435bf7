"""When a rewound seat is made and for whom, what all of them cost at most, and who gives way."""

import asyncio
import random

import pytest

from runtime.engines import rewound_seats
from runtime.engines.rewound_credit import MAKING, MOST, REWOUND_RUN, START, USERS_START, RewoundCredit
from runtime.engines.rewound_places import IDLE_S, MOST_SEAT_BYTES, YIELDS_AFTER_S
from runtime.engines.rewound_seats import AGAIN_WITHIN_S, IN_VAIN_S, MOST_SOON, PAUSE_S
from runtime.sandbox.host.rewound_seat import BYTES
from runtime.task import MIB
from tests.unit.engines.fake_rewound_seats import FakeRunner, FakeSeat, one_run
from tests.waiting import WITHIN_S, turns

pytestmark = pytest.mark.anyio


def assert_within_bound(runner: FakeRunner) -> None:
    assert runner.cost <= 1.1 * runner.runs + START


async def with_a_seat(runner: FakeRunner) -> FakeSeat:
    """Have a user come until she has a seat, and let her have it."""
    for _ in range(3):
        await runner.run("ada")
    seat = await runner.pool().take(one_run("ada"))
    assert isinstance(seat, FakeSeat)
    return seat


async def test_the_third_run_of_a_user_has_a_rewound_seat_and_so_have_all_later_ones() -> None:
    runner = FakeRunner()
    assert [await runner.run("ada") for _ in range(5)] == [False, False, True, True, True]
    for _ in range(1000):
        await runner.run("ada")
    assert (runner.forks, runner.makings) == (2, 1)
    assert runner.cost < 0.25 * runner.runs
    assert_within_bound(runner)


async def test_users_who_come_once_cost_nothing_more_than_forks() -> None:
    runner = FakeRunner()
    for number in range(200):
        await runner.run(f"user {number}")
    assert runner.cost == runner.runs


async def test_a_user_who_comes_again_too_late_gets_none() -> None:
    runner = FakeRunner()
    for _ in range(50):
        await runner.run("ada", after_s=AGAIN_WITHIN_S + 1)
    assert runner.makings == 0


async def test_users_who_come_twice_and_leave_use_up_the_credit_and_no_more() -> None:
    runner = FakeRunner(most=4)
    for number in range(1000):
        await runner.run(f"user {number}", after_s=30)
        await runner.run(f"user {number}")
    assert runner.makings == pytest.approx((START + 0.1 * runner.runs) / MAKING, abs=1)
    assert_within_bound(runner)


async def test_two_users_in_turn_have_a_seat_each() -> None:
    runner = FakeRunner(most=2)
    for _ in range(500):
        await runner.run("ada")
        await runner.run("bob")
    assert (runner.forks, runner.makings) == (4, 2)
    assert_within_bound(runner)


async def test_two_users_in_turn_at_one_place_do_not_take_it_from_each_other() -> None:
    runner = FakeRunner(most=1)
    for _ in range(500):
        await runner.run("ada", after_s=4)
        await runner.run("bob", after_s=4)
    assert runner.makings == 1
    assert runner.forks == pytest.approx(runner.runs / 2, abs=2)
    assert_within_bound(runner)


async def test_eight_users_have_as_many_seats_as_the_dataset_may_have() -> None:
    runner = FakeRunner(most=2)
    for _ in range(200):
        for number in range(8):
            await runner.run(f"user {number}", after_s=0.01)
    assert runner.makings == 2
    assert runner.forks == pytest.approx(runner.runs * 6 / 8, abs=5)
    assert_within_bound(runner)


async def test_eight_users_share_two_seats_between_any_user() -> None:
    runner = FakeRunner(most=2, between="any_user")
    for _ in range(200):
        for number in range(8):
            await runner.run(f"user {number}", after_s=0.01)
    assert (runner.forks, runner.makings) == (2, 1)


async def test_a_seat_keeps_the_text_of_its_user_and_none_that_another_user_could_find() -> None:
    same, anybody = FakeRunner(between="same_user"), FakeRunner(between="any_user")
    for runner, sources in ((same, ["# by ada"]), (anybody, [""])):
        for _ in range(3):
            await runner.run("ada")
        assert runner.sources == sources


async def test_one_dataset_after_the_other_keeps_to_the_memory_and_to_the_bound() -> None:
    runner = FakeRunner(room=3)
    for number in range(300):
        for _ in range(4):
            await runner.run("ada", f"dataset {number % 30}", after_s=1)
    assert runner.places.count <= 3
    assert_within_bound(runner)


async def test_a_user_on_many_datasets_leaves_places_to_others() -> None:
    runner = FakeRunner(room=4)
    for _ in range(20):
        for number in range(4):
            await runner.run("greedy", f"dataset {number}", after_s=0.1)
    assert runner.places.count == 4
    assert [await runner.run("ada", "other") for _ in range(3)] == [False, False, True]
    assert_within_bound(runner)


async def test_a_user_who_holds_all_places_of_a_dataset_leaves_one_to_another() -> None:
    runner = FakeRunner(most=2)
    for _ in range(4):
        await runner.run_together(["greedy"] * 2)
    assert await runner.run_together(["greedy"] * 2) == 2
    assert [await runner.run("ada") for _ in range(3)] == [False, False, True]
    assert await runner.run_together(["greedy"] * 2) == 1


async def test_a_run_that_comes_while_the_seat_is_rewound_gets_it_afterwards() -> None:
    runner = FakeRunner()
    seat = await with_a_seat(runner)
    seat.may_end.clear()
    rewinding = asyncio.create_task(runner.pool().give_back(seat, one_run("ada")))
    waiting = asyncio.create_task(runner.pool().take(one_run("ada")))
    await turns()
    assert not waiting.done()
    seat.may_end.set()
    assert await waiting is seat
    await rewinding


async def test_a_run_waits_for_no_seat_of_another_user_or_of_other_limits() -> None:
    runner = FakeRunner()
    await with_a_seat(runner)
    assert await runner.pool().take(one_run("bob")) is None
    assert await runner.pool().take(one_run("ada", 512 * MIB)) is None


async def test_few_runs_wait_for_a_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewound_seats, "SOON_S", WITHIN_S)
    runner = FakeRunner()
    seat = await with_a_seat(runner)
    waiting = [asyncio.create_task(runner.pool().take(one_run("ada"))) for _ in range(MOST_SOON + 1)]
    await turns()
    assert [run.done() for run in waiting] == [False] * MOST_SOON + [True]
    for run in waiting[:-1]:
        await runner.pool().give_back(seat, one_run("ada"))
        assert await run is seat


async def test_after_a_wait_in_vain_none_waits_for_a_run_for_a_while_but_for_a_rewind() -> None:
    runner = FakeRunner()
    seat = await with_a_seat(runner)
    assert await runner.pool().take(one_run("ada")) is None
    waiting = asyncio.create_task(runner.pool().take(one_run("ada")))
    await turns()
    assert waiting.done() and waiting.result() is None
    seat.may_end.clear()
    rewinding = asyncio.create_task(runner.pool().give_back(seat, one_run("ada")))
    await turns()
    waiting = asyncio.create_task(runner.pool().take(one_run("ada")))
    await turns()
    seat.may_end.set()
    assert await waiting is seat
    await rewinding
    runner.clock += IN_VAIN_S
    waiting = asyncio.create_task(runner.pool().take(one_run("ada")))
    await turns()
    await runner.pool().give_back(seat, one_run("ada"))
    assert await waiting is seat


async def test_a_seat_that_a_cancelled_run_has_waited_for_goes_to_the_next_one() -> None:
    runner = FakeRunner()
    seat = await with_a_seat(runner)
    cancelled, waiting = (asyncio.create_task(runner.pool().take(one_run("ada"))) for _ in range(2))
    await turns()
    giving_back = asyncio.create_task(runner.pool().give_back(seat, one_run("ada")))
    while not giving_back.done():  # the first one has the seat now, and does not know it yet
        await asyncio.sleep(0)
    cancelled.cancel()
    assert await waiting is seat


async def test_a_run_does_not_wait_for_a_seat_that_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewound_seats, "SOON_S", WITHIN_S)
    runner = FakeRunner()
    seat = await with_a_seat(runner)
    seat.unfit = "threads"
    waiting = asyncio.create_task(runner.pool().take(one_run("ada")))
    await turns()
    await runner.pool().give_back(seat, one_run("ada"))
    assert await waiting is None


async def test_runs_at_a_time_have_as_many_seats_as_there_may_be_and_the_others_are_forked() -> None:
    runner = FakeRunner(most=2)
    for _ in range(4):
        await runner.run_together(["ada"] * 5)
    assert await runner.run_together(["ada"] * 5) == 2
    assert runner.makings == 2


async def test_a_place_that_nobody_used_for_a_while_goes_to_the_next_user() -> None:
    runner = FakeRunner(most=1)
    for _ in range(3):
        await runner.run("ada")
    await runner.run("bob", after_s=YIELDS_AFTER_S)
    assert [await runner.run("bob") for _ in range(2)] == [False, True]
    assert runner.places.counts.ended == {"yielded": 1}


async def test_limits_in_turn_have_a_seat_each_or_none_and_never_take_it_from_each_other() -> None:
    for most, makings in ((1, 1), (2, 2)):
        runner = FakeRunner(most=most)
        for _ in range(100):
            await runner.run("ada", memory_bytes=256 * MIB, after_s=4)
            await runner.run("ada", memory_bytes=512 * MIB, after_s=4)
        assert runner.makings == makings
        assert_within_bound(runner)


async def test_seats_that_always_end_after_a_run_stop_being_made_for_their_user_and_not_for_others() -> None:
    runner = FakeRunner(most=4)
    runner.unfit = "threads"
    for _ in range(60):
        await runner.run("ada")
    assert runner.makings == USERS_START // MAKING
    runner.unfit = None
    assert [await runner.run("bob") for _ in range(3)] == [False, False, True]
    assert_within_bound(runner)


async def test_makings_that_fail_are_paid_and_tried_less_and_less_often() -> None:
    runner = FakeRunner()
    runner.makes_fail = True
    makings = []
    for _ in range(8):
        await runner.run("ada", after_s=PAUSE_S)
        makings.append(runner.makings)
    assert makings == [0, 1, 2, 2, 2, 2, 2, 2]
    assert (runner.places.counts.not_made, runner.places.used_bytes, runner.places.count) == (2, 0, 0)
    assert_within_bound(runner)


async def test_whatever_happens_the_bound_holds_in_every_stretch_of_time() -> None:
    chance = random.Random(14)
    runner = FakeRunner(most=2, room=5)
    before: list[tuple[float, int]] = []
    for _ in range(1000):
        runner.unfit = chance.choice([None, None, None, "threads"])
        runner.makes_fail = chance.random() < 0.02
        user, dataset = f"user {chance.randrange(6)}", f"dataset {chance.randrange(8)}"
        together = [user] * chance.choice([1, 1, 1, 3])
        await runner.run_together(together, dataset, after_s=chance.choice([0.01, 0.1, 1, 20]))
        before.append((runner.cost, runner.runs))
        cost, runs = chance.choice(before)
        assert runner.cost - cost <= 1.1 * (runner.runs - runs) + MOST + 1e-6
    assert runner.makings > 20
    assert_within_bound(runner)


async def test_seats_give_way_when_a_dataset_needs_the_memory_the_least_recently_used_one_first() -> None:
    runner = FakeRunner(room=3)
    for dataset in "abc":
        for _ in range(3):
            await runner.run(f"user of {dataset}", dataset)
    await runner.run("user of a", "a")
    runner.places.lend(2 * BYTES)
    await turns()
    assert [runner.pool(dataset).count for dataset in "abc"] == [1, 0, 1]
    assert runner.places.counts.ended == {"memory": 1}
    runner.places.lend(0)
    await turns()
    assert runner.places.used_bytes == 0


async def test_a_seat_that_runs_when_a_dataset_needs_the_memory_gives_way_afterwards() -> None:
    runner = FakeRunner()
    seat = await with_a_seat(runner)
    runner.places.lend(0)
    await turns()
    assert seat.alive
    await runner.pool().give_back(seat, one_run("ada"))
    await turns()
    assert (seat.alive, runner.places.used_bytes) == (False, 0)


async def test_none_is_made_if_it_would_take_memory_of_datasets() -> None:
    runner = FakeRunner()
    runner.places.lend(BYTES - 1)
    assert [await runner.run("ada") for _ in range(5)] == [False] * 5
    assert runner.makings == 0


async def test_a_seat_counts_with_what_its_runs_have_written_and_ends_if_that_is_too_much() -> None:
    runner = FakeRunner()
    for _ in range(3):
        await runner.run("ada")
    one = one_run("ada")
    for byte_count, alive in ((2 * BYTES, True), (MOST_SEAT_BYTES + 1, False)):
        seat = await runner.pool().take(one)
        assert isinstance(seat, FakeSeat)
        seat.byte_count = byte_count
        await runner.pool().give_back(seat, one)
        await turns()
        assert (seat.alive, runner.places.used_bytes) == (alive, byte_count if alive else 0)


async def test_a_seat_that_nobody_uses_ends() -> None:
    runner = FakeRunner()
    for _ in range(3):
        await runner.run("ada")
    runner.clock += IDLE_S
    runner.places.give_up_idle()
    await turns()
    assert (runner.places.count, runner.places.counts.ended) == (0, {"idle": 1})


async def test_a_seat_that_has_ended_while_it_waited_is_not_taken() -> None:
    runner = FakeRunner()
    seat = await with_a_seat(runner)
    await runner.pool().give_back(seat, one_run("ada"))
    seat.ended = True
    assert await runner.pool().take(one_run("ada")) is None
    assert runner.places.counts.ended == {"ended": 1}


async def test_seats_of_a_dataset_that_is_closed_end_and_so_does_one_that_is_made() -> None:
    runner = FakeRunner()
    for _ in range(3):
        await runner.run("ada")
    runner.pool().consider(one_run("ada"))
    await runner.pool().close()
    assert (runner.places.count, runner.places.used_bytes) == (0, 0)


def test_a_user_has_no_more_than_the_runner() -> None:
    credit = RewoundCredit()
    for number in range(int(START // MAKING)):
        assert credit.covers_one(f"user {number}")
        credit.pay(f"user {number}")
    assert not credit.covers_one("ada")
    for _ in range(int(MAKING / (1.1 - REWOUND_RUN)) + 1):
        credit.earn("bob", rewound=True)
    assert credit.covers_one("ada")
