"""The ways in which a machine lets seats be rewound, by name."""

from typing import Final, Literal

RewindMode = Literal["", "sealed", "tracked"]
"""``sealed``: userfaultfd and mseal (Linux 6.10). ``tracked``: userfaultfd alone (Linux 6.7). Empty: not at all."""

SEALED: Final = "sealed"
TRACKED: Final = "tracked"

TRACKED_VERSION, SEALED_VERSION = 1, 2
"""The same, as the version that the probe finds."""
