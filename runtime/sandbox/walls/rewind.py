"""The ways in which a machine lets seats be rewound, by name, and what an operator is told of them."""

from typing import Final, Literal

RewindMode = Literal["", "sealed", "tracked"]
"""``sealed``: userfaultfd and mseal (Linux 6.10). ``tracked``: userfaultfd alone (Linux 6.7). Empty: not at all.

Older kernels could find written pages by looking at each page of the seat. That costs three to five times as much and
saves little over a fork, so it is not done.
"""

SEALED: Final = "sealed"
TRACKED: Final = "tracked"

TRACKED_VERSION, SEALED_VERSION = 1, 2
"""The same, as the version that the probe finds."""

RewoundBetween = Literal["same_user", "any_user"]
"""Who may have a rewound seat after another run: the user of that run, or anybody."""

_HOW: Final[dict[RewindMode, str]] = {SEALED: "userfaultfd, sealed", TRACKED: "userfaultfd, not sealed"}
_BETWEEN: Final[dict[RewoundBetween, str]] = {"same_user": "runs of one user", "any_user": "runs of any users"}


def describe_rewinding(
    mode: RewindMode, why_not: str, *, seats: int, between: RewoundBetween, reused_seats: int
) -> str:
    """Return whether seats are rewound, and how or why not.

    ``seats`` (of a dataset), ``between`` and ``reused_seats`` are what the operator has set.
    """
    if not seats:
        return "off: rewound_seats is 0"
    if reused_seats:
        return f"off: reused_seats is {reused_seats}, which keeps processes without restoring them"
    if not mode:
        return f"off: {why_not}"
    return f"on ({_HOW[mode]}), {seats} a dataset, between {_BETWEEN[between]}"
