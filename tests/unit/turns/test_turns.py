"""Turns: who gets the next place, who may wait, and what a cancel leaves behind."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest

from runtime.turns import QueueFull, Turns
from tests.waiting import turns as turns_of_the_loop

pytestmark = pytest.mark.anyio


class Floor:
    """Users who come for a place, hold it until they are told to leave, and are noted in the order of their turns."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.served: list[str] = []
        self.refused: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leave: dict[str, asyncio.Event] = {}

    async def come(self, *names: str) -> None:
        """Let each come for a place, in this order. The first letter of a name is its user."""
        for name in names:
            self._leave[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._be(name))
            await turns_of_the_loop(2)

    async def leave(self, *names: str) -> None:
        for name in names:
            self._leave[name].set()
            await self._tasks[name]
        await turns_of_the_loop(3)

    def cancel(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()

    async def empty(self) -> None:
        """Let everybody leave, and check that nothing is left."""
        for event in self._leave.values():
            event.set()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        assert (self.turns.in_use, self.turns.waiting, self.turns._users) == (0, 0, {})

    async def _be(self, name: str) -> None:
        try:
            async with self.turns.place(name[0]):
                self.served.append(name)
                await self._leave[name].wait()
        except QueueFull:
            self.refused.append(name)


@pytest.fixture
def floor() -> Callable[..., Floor]:
    def make(places: int, queue: int = 100, queue_per_user: int | None = None, **more: int) -> Floor:
        return Floor(Turns(places, queue=queue, queue_per_user=queue_per_user, **more))

    return make


async def test_one_user_leaves_a_place_to_others(floor: Callable[..., Floor]) -> None:
    flood = floor(4)
    await flood.come(*(f"a{number}" for number in range(16)))
    assert flood.served == ["a0", "a1", "a2"]
    await flood.come("b0")
    assert flood.served[-1] == "b0", "somebody else does not wait at all"
    await flood.leave("b0")
    assert flood.served[-1] == "b0", "and the place stays free"
    await flood.empty()


async def test_with_one_place_users_alternate(floor: Callable[..., Floor]) -> None:
    single = floor(1)
    await single.come("a0", "a1", "a2", "b0", "b1", "c0")
    for name in ("a0", "b0", "c0", "a1", "b1"):
        assert single.served[-1] == name
        await single.leave(name)
    assert single.served[-1] == "a2"
    await single.empty()


async def test_the_next_place_goes_to_the_user_who_holds_the_fewest(floor: Callable[..., Floor]) -> None:
    shared = floor(4)
    await shared.come("a0", "a1", "a2", "b0", "a3", "b1", "c0")
    await shared.leave("a0")
    assert shared.served[-1] == "c0", "who holds none, although others came before"
    await shared.leave("a1")
    assert shared.served[-1] == "c0", "a and b hold one each, and leave the last to somebody who holds none"
    await shared.leave("b0")
    assert shared.served[-1] == "b1"
    await shared.leave("a2")
    assert shared.served[-1] == "a3"
    await shared.empty()


async def test_each_further_flood_gets_a_part_of_what_is_left(floor: Callable[..., Floor]) -> None:
    flooded = floor(8)
    await flooded.come(*(f"{user}{number}" for user in "abcd" for number in range(8)))
    assert Counter(name[0] for name in flooded.served) == {"a": 5, "b": 2, "c": 1}
    await flooded.leave("a0")
    assert flooded.served[-1] == "d0"
    await flooded.leave("b0", "c0", "d0")
    assert flooded.served[-2:] == ["c1", "d1"]
    assert flooded.turns.in_use == 7, "one is free for whoever comes next"
    await flooded.empty()


async def test_two_users_who_hold_all_places_for_long_do_not_keep_a_third_waiting(floor: Callable[..., Floor]) -> None:
    taken = floor(4, extra=1)
    await taken.come(*(f"{user}{number}" for user in "ab" for number in range(8)))
    assert Counter(name[0] for name in taken.served) == {"a": 3, "b": 1}
    await taken.come("c0", "c1", "d0")
    assert taken.served[-1] == "c0", "in the extra place, which is for one who holds none"
    await taken.leave("c0")
    assert taken.served[-1] == "d0", "and not for those who hold some"
    await taken.leave("a0")
    assert taken.served[-1] == "c1", "who holds none now"
    await taken.leave("a1", "b0")
    assert Counter(name[0] for name in taken.served) == {"a": 3, "b": 2, "c": 2, "d": 1}
    await taken.empty()


async def test_with_more_places_spared_more_users_find_one(floor: Callable[..., Floor]) -> None:
    spared = floor(4, spared=2)
    await spared.come(*(f"{user}{number}" for user in "abcd" for number in range(4)))
    assert Counter(name[0] for name in spared.served) == {"a": 2, "b": 1, "c": 1}
    await spared.empty()


async def test_equal_users_have_turns_in_a_circle(floor: Callable[..., Floor]) -> None:
    circle = floor(1)
    await circle.come("z0", *(f"{user}{number}" for number in range(3) for user in "abc"))
    for _ in range(9):
        await circle.leave(circle.served[-1])
    assert circle.served[1:] == [f"{user}{number}" for number in range(3) for user in "abc"]
    await circle.empty()


async def test_a_user_s_own_come_in_their_order(floor: Callable[..., Floor]) -> None:
    single = floor(2)
    await single.come("a0", "a1", "a2", "a3")
    await single.leave("a0")
    await single.leave("a1")
    assert single.served == ["a0", "a1", "a2"]
    await single.empty()


async def test_the_queue_of_a_user_is_bounded(floor: Callable[..., Floor]) -> None:
    short = floor(1, queue=100, queue_per_user=2)
    await short.come("a0", "a1", "a2", "a3", "b0")
    assert short.refused == ["a3"]
    await short.empty()


async def test_a_full_queue_drops_the_last_of_the_longest(floor: Callable[..., Floor]) -> None:
    full = floor(1, queue=4)
    await full.come("a0", "a1", "a2", "a3", "a4")
    await full.come("b0")
    assert full.refused == ["a4"], "somebody who had nothing in the queue is not refused"
    await full.come("b1")
    assert full.refused == ["a4", "a3"]
    await full.come("b2")
    assert full.refused == ["a4", "a3", "b2"], "else the two would drop each other in turn"
    await full.come("c0")
    assert full.refused[-1] == "a2"
    await full.come("d0")
    assert full.refused[-1] == "b1"
    await full.come("e0")
    assert full.refused[-1] == "e0", "everybody has one now"
    await full.empty()


async def test_without_a_queue_who_finds_no_place_is_refused(floor: Callable[..., Floor]) -> None:
    none = floor(2, queue=0)
    await none.come("a0", "a1", "b0", "c0")
    assert (none.served, none.refused) == (["a0", "b0"], ["a1", "c0"])
    await none.empty()


async def test_a_refusal_says_how_many_wait(floor: Callable[..., Floor]) -> None:
    full = floor(1, queue=2)
    await full.come("a0", "a1", "a2")
    with pytest.raises(QueueFull) as refused:
        await full.turns.take("a")
    assert (refused.value.own, refused.value.waiting) == (2, 2)
    await full.empty()


async def test_who_is_cancelled_while_waiting_leaves_the_queue(floor: Callable[..., Floor]) -> None:
    single = floor(1)
    await single.come("a0", "b0", "c0")
    single.cancel("b0")
    await turns_of_the_loop(2)
    assert single.turns.waiting == 1
    await single.leave("a0")
    assert single.served == ["a0", "c0"]
    await single.empty()


async def test_a_place_that_comes_together_with_a_cancel_goes_on_to_the_next() -> None:
    turns = Turns(1, queue=9)
    await turns.take("a")
    b, c = (asyncio.create_task(turns.take(user)) for user in "bc")
    await turns_of_the_loop(2)
    turns.give_back("a")  # b has the place, and does not know it yet
    b.cancel()
    await c
    turns.give_back("c")
    assert b.cancelled()
    assert (turns.in_use, turns.waiting, turns._users) == (0, 0, {})


async def test_a_cancel_just_before_the_place_comes_passes_it_on(floor: Callable[..., Floor]) -> None:
    single = floor(1)
    await single.come("a0", "b0", "c0")
    single._leave["a0"].set()
    single.cancel("b0")  # in the queue still, with a future that is cancelled already
    await turns_of_the_loop(5)
    assert single.served == ["a0", "c0"]
    await single.empty()


async def test_whatever_happens_no_place_is_lost_or_given_twice() -> None:
    """Hundreds of users come, leave and are cancelled at random."""
    chance = random.Random(7)
    turns = Turns(5, queue=30, queue_per_user=12)
    held: Counter[str] = Counter()

    async def one(user: str) -> None:
        try:
            async with turns.place(user):
                held[user] += 1
                assert held.total() <= turns.in_use <= 5
                assert held[user] <= 4, "one is left to others"
                try:
                    await turns_of_the_loop(chance.randrange(6))
                finally:
                    held[user] -= 1
        except QueueFull:
            pass

    running: list[asyncio.Task[None]] = []
    for _ in range(2000):
        running.append(asyncio.create_task(one(chance.choice("aaaaaabbcde"))))
        if chance.random() < 0.3:
            chance.choice(running[-30:]).cancel()
        if chance.random() < 0.4:
            await asyncio.sleep(0)
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ended)
    assert (turns.in_use, turns.waiting, turns._users) == (0, 0, {})
