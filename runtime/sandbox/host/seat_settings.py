"""The settings that all seats of an engine share."""

from dataclasses import dataclass

from runtime.sandbox.host.scratch import ScratchRoot
from runtime.sandbox.walls.rewind import RewoundBetween


@dataclass(frozen=True, slots=True)
class SeatSettings:
    """Settings of seats. ``result_bytes`` and ``file_bytes`` (the largest file in scratch) are the most that any
    run may ask for.

    ``spares``: seats of a dataset that wait for any run. ``reused``: seats of a dataset that wait for the next run of
    their user; with 0 each run gets a fresh process. ``rewound``: seats of a dataset that are put back to their
    beginning after each run, and ``rewound_between``: for whose next run. ``rewound_in_all``: the most of them of all
    datasets together; None: as many as their memory allows. ``rewound_checked``: compare all of their memory each time,
    for tests.
    """

    scratch: ScratchRoot
    spares: int
    output_bytes: int
    result_bytes: int
    file_bytes: int
    open_files: int
    threads: int
    reused: int = 0
    rewound: int = 0
    rewound_between: RewoundBetween = "same_user"
    rewound_in_all: int | None = None
    rewound_checked: bool = False
