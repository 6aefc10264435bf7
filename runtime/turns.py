"""Turns: a few places that users share, so that nobody waits for the work of somebody else.

The next place goes to the waiting user who holds the fewest, and among equals to the one who had a turn longest ago.
Places may be given back late, so some stay free for users who come then: a user gets no more than are free, and the
last free places only if they hold none. Of four places a single user holds three at most, of a hundred half. A few
users could hold all places for long, so there may be extra places, for users who hold none and find all others taken.
If the queue is full, a user with a longer queue gives way to one with a shorter.

Nothing here looks at a clock, and each step takes the same time however many wait.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager


class QueueFull(Exception):
    """There is no room to wait. ``own``: how many of this user's wait. ``waiting``: how many wait in all."""

    def __init__(self, own: int, waiting: int) -> None:
        super().__init__(f"{waiting} are waiting, {own} of them of this user")
        self.own = own
        self.waiting = waiting


class Turns:
    """Places with a queue for each user. Use it in one event loop only."""

    def __init__(
        self, places: int, *, queue: int, queue_per_user: int | None = None, spared: int = 1, extra: int = 0
    ) -> None:
        """``queue``: how many may wait in all. ``queue_per_user``: how many of one user's; None: as many as in all.

        ``spared``: how many free places are kept for users who hold none. ``extra``: how many more places there are for
        such users when none is free.
        """
        self.places = places
        self.in_use = 0
        self.waiting = 0
        self._queue = queue
        self._queue_per_user = queue if queue_per_user is None else queue_per_user
        self._spared = spared
        self._extra = extra
        self._users: dict[Hashable, _User] = {}  # those who hold a place or wait
        self._by_places = _Ranks()
        self._by_queue = _Ranks()

    @asynccontextmanager
    async def place(
        self, user: Hashable, refusal: Callable[[QueueFull], Exception] = lambda full: full
    ) -> AsyncIterator[None]:
        """Wait for a place and hold it while the block lasts. Raise what ``refusal`` makes of ``QueueFull``."""
        try:
            await self.take(user)
        except QueueFull as full:
            raise refusal(full) from None
        try:
            yield
        finally:
            self.give_back(user)

    async def take(self, user: Hashable) -> None:
        """Wait for a place, which the caller gives back. Raise ``QueueFull``, at once or when another gets its room."""
        one = self._users.get(user)
        if one is None:
            one = self._users[user] = _User()
        if self._may_have_one(one):  # then nobody waits who may, too
            return self._hold(one)
        try:
            self._make_room(one)
        except QueueFull:
            self._forget_idle(user, one)
            raise
        turn = self._wait(one)
        try:
            await turn
        except BaseException:
            if turn in one.queue:
                self._leave(one, turn)
            elif not turn.cancelled() and turn.exception() is None:  # cancelled just when the place came
                self.give_back(user)
                raise
            self._forget_idle(user, one)
            raise

    def give_back(self, user: Hashable) -> None:
        """Give back a place."""
        one = self._users[user]
        self._change_held(one, -1)
        self._forget_idle(user, one)
        self._hand_on()

    def _hand_on(self) -> None:
        """Give free places to those whose turn it is."""
        while (one := self._by_places.lowest()) is not None and self._may_have_one(one):
            turn = next(iter(one.queue))
            self._leave(one, turn)
            if not turn.done():  # else it was cancelled
                self._hold(one)
                turn.set_result(None)

    def _may_have_one(self, one: "_User") -> bool:
        free = self.places - self.in_use
        return one.held <= free > self._spared if one.held else free > -self._extra

    def _make_room(self, one: "_User") -> None:
        """Let another user's last give way, if the queue is full and theirs is longer. Raise ``QueueFull``."""
        own = len(one.queue)
        if own >= self._queue_per_user:
            raise QueueFull(own, self.waiting)
        if self.waiting < self._queue:
            return
        longest = self._by_queue.highest()
        if longest is None or len(longest.queue) <= own + 1:
            raise QueueFull(own, self.waiting)
        last = next(reversed(longest.queue))
        full = QueueFull(len(longest.queue), self.waiting)
        self._leave(longest, last)
        if not last.done():  # else it was cancelled
            last.set_exception(full)

    def _wait(self, one: "_User") -> "asyncio.Future[None]":
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if one.queue:
            self._by_queue.remove(len(one.queue), one)
        else:
            self._by_places.add(one.held, one)
        one.queue[turn] = None
        self._by_queue.add(len(one.queue), one)
        self.waiting += 1
        return turn

    def _leave(self, one: "_User", turn: "asyncio.Future[None]") -> None:
        """Take one out of the queue of its user."""
        self._by_queue.remove(len(one.queue), one)
        del one.queue[turn]
        if one.queue:
            self._by_queue.add(len(one.queue), one)
        else:
            self._by_places.remove(one.held, one)
        self.waiting -= 1

    def _hold(self, one: "_User") -> None:
        self._change_held(one, 1)

    def _change_held(self, one: "_User", by: int) -> None:
        if one.queue:
            self._by_places.remove(one.held, one)
        one.held += by
        self.in_use += by
        if one.queue:
            self._by_places.add(one.held, one)

    def _forget_idle(self, user: Hashable, one: "_User") -> None:
        if not one.held and not one.queue and self._users.get(user) is one:
            del self._users[user]


class _User:
    """``held``: how many places. ``queue``: those who wait, oldest first."""

    __slots__ = ("held", "queue")

    def __init__(self) -> None:
        self.held = 0
        self.queue: OrderedDict[asyncio.Future[None], None] = OrderedDict()


class _Ranks:
    """Users by a small number. Those with the same number are in the order in which they got it."""

    def __init__(self) -> None:
        self._users: defaultdict[int, OrderedDict[_User, None]] = defaultdict(OrderedDict)
        self._taken = 0  # bit n is set if somebody has the number n

    def add(self, rank: int, user: _User) -> None:
        self._users[rank][user] = None
        self._taken |= 1 << rank

    def remove(self, rank: int, user: _User) -> None:
        users = self._users[rank]
        del users[user]
        if not users:
            del self._users[rank]
            self._taken &= ~(1 << rank)

    def lowest(self) -> _User | None:
        """Return the first user of those with the lowest number."""
        return self._first((self._taken & -self._taken).bit_length() - 1)

    def highest(self) -> _User | None:
        """Return the first user of those with the highest number."""
        return self._first(self._taken.bit_length() - 1)

    def _first(self, rank: int) -> _User | None:
        return next(iter(self._users[rank])) if rank >= 0 else None
