"""The reasons for which a seat cannot be rewound."""

from typing import Final


class Unfit(Exception):
    """The seat is in a state that cannot be undone, so it must end. ``reason`` is one of ``REASONS``."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


REASONS: Final = (
    "ended",  # it ended by itself, or was killed
    "stopped",  # it had stopped itself
    "signals",  # signals arrive without end, or wait for delivery
    "threads",  # those that are left cannot be ended, or the first has ended
    "registers",  # they cannot be set, because the first thread is in another mode
    "descriptors",
    "limits",
    "priority",
    "registrations",  # of restartable sequences, or of robust locks
    "mappings",  # a mapping of the baseline is gone or changed, or too many were added
    "pages",  # more pages were written than are worth writing back
    "state",  # anything else that the kernel shows
    "unsettled",  # mappings differ again after they were put right
)
"""Every reason, for metrics and logs."""
