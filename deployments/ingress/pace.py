"""How fast one sender's work goes on in the threads of an ingress.

All threads share one interpreter with the loop that answers everybody. A sender whose calls compute all the time would
slow down every other request, even in turns, so a sender who has used much processor time waits before the next call.
"""

import time
from typing import Final

SHARE: Final = 1 / 3
"""The part of a core that one sender's calls use in the long run."""

AHEAD_S: Final = 0.25
"""Processor time that a sender may use at once before their calls wait."""

_MOST_KEPT: Final = 1000


class Pace:
    """The processor time that senders have used of late. Use it in one event loop only."""

    def __init__(self) -> None:
        self._owed: dict[str, float] = {}  # the time at which all that a sender has used counts no more

    def wait_s(self, sender: str) -> float:
        """Return how long the sender's next call has to wait; 0 if it need not."""
        until = self._owed.get(sender)
        return 0.0 if until is None else max(0.0, until - time.monotonic() - AHEAD_S / SHARE)

    def spend(self, sender: str, cpu_s: float) -> None:
        """Count the processor time of a call of the sender's."""
        now = time.monotonic()
        self._owed[sender] = max(now, self._owed.get(sender, now)) + cpu_s / SHARE
        if len(self._owed) > _MOST_KEPT:
            self._owed = {sender: until for sender, until in self._owed.items() if until > now}
