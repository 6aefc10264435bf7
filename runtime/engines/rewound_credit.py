"""The credit from which rewound seats are made. It bounds what they may cost in all.

A rewound seat costs as much as some forks when it is made, and saves most of a fork in each run that it serves. Nobody
knows beforehand how many runs that will be. So a making is paid from a credit, which runs fill.

Everything is counted in forks: the CPU time that a run costs because its process is made for it (about 9 ms on a slow
core).

- A run in a process of its own costs 1, and adds ``EARNED_BY_FORK`` to the credit, which is 0.1.
- A run on a rewound seat costs at most ``REWOUND_RUN``, the rewind included. If the seat is ready again, it adds
  ``EARNED_BY_REWIND``, which is 1.1 - ``REWOUND_RUN``.
- A seat costs ``MAKING`` when it is made, its end included, also if making it fails. It is made only if the credit is
  at least so large, and takes it from there.
- The credit begins with ``START``, and what would raise it above ``MOST`` is lost.

**Makings and runs never cost more than 1.1 times what forks for all runs would have cost, and a constant.** Take any
stretch of time with ``f`` runs in processes of their own, ``r`` runs on rewound seats, and ``m`` makings. The credit at
its end is at most ``MOST + 0.1 f + (1.1 - REWOUND_RUN) r - MAKING m``, and at least 0. So the cost of the stretch is
``f + REWOUND_RUN r + MAKING m <= f + REWOUND_RUN r + MOST + 0.1 f + (1.1 - REWOUND_RUN) r = 1.1 (f + r) + MOST``. From
the start on, the constant is ``START``. (A run whose seat cannot be rewound costs less than a fork, adds
``EARNED_BY_FORK``, and counts among ``f``.)

Each user has a credit as well, by the same rules and from their own runs only. So a user whose seats always end after a
run uses up what is theirs, and not the credit from which other users' seats are made.
"""

from collections import OrderedDict
from typing import Final

MAKING: Final = 7.0
"""A making with the end of the seat."""

REWOUND_RUN: Final = 0.2

EARNED_BY_FORK: Final = 0.1
EARNED_BY_REWIND: Final = 1.1 - REWOUND_RUN

START: Final = 4 * MAKING
MOST: Final = 8 * MAKING
"""The constant of the bound: half a second of a core."""

USERS_START: Final = 2 * MAKING
USERS_MOST: Final = 4 * MAKING

REMEMBERED_USERS: Final = 1000


class RewoundCredit:
    """The credit of a runner, and the credits of its users."""

    def __init__(self) -> None:
        self._total = START
        self._users: OrderedDict[str, float] = OrderedDict()  # who came least recently is first

    def earn(self, user: str, *, rewound: bool) -> None:
        """Add what a run of this user has earned. ``rewound``: it had a rewound seat, which is ready again."""
        earned = EARNED_BY_REWIND if rewound else EARNED_BY_FORK
        self._total = min(MOST, self._total + earned)
        self._users[user] = min(USERS_MOST, self._users.pop(user, USERS_START) + earned)
        if len(self._users) > REMEMBERED_USERS:
            self._users.popitem(last=False)

    def covers_one(self, user: str) -> bool:
        """Return whether a seat may be made for this user."""
        return min(self._total, self._users.get(user, USERS_START)) >= MAKING

    def pay(self, user: str) -> None:
        """Pay for a making, however it ends. ``covers_one`` must hold."""
        self._total -= MAKING
        self._users[user] = self._users.pop(user, USERS_START) - MAKING
