"""How a runner's settings become the limits of its machine: memory and threads of a run, of all runs, and of a seat."""

import os
import resource
from typing import Final

from deployments.settings import Settings
from runtime.engines.pandas import HOLDER_BYTES
from runtime.engines.rewound_places import SHARE as REWOUND_SHARE
from runtime.executor import ExecutorSettings
from runtime.memory import memory_bytes
from runtime.sandbox.host.rewound_seat import BYTES as REWOUND_BYTES
from runtime.sandbox.host.scratch import ScratchRoot
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.walls.cgroup import SHARE, GroupLimits
from runtime.task import MIB, usual_threads

RUNS_SHARE: Final = 0.8
"""Share of the machine's memory for runs. With all seats taken, the machine stays below Ray's own memory monitor."""

KEPT_SHARE: Final = 0.125
"""Share of the machine's memory for results that wait to be fetched."""

MOST_CACHED_DATASETS: Final = 10_000
"""The most datasets that a runner holds, however many files it may open."""

CACHE_DESCRIPTORS_SHARE: Final = 0.8
"""Share of the files that a runner may open that is for cached datasets."""

HOLDER_DESCRIPTORS: Final = 2
SEAT_DESCRIPTORS: Final = 7
"""What a runner has open for a cached dataset, and for each seat that waits there."""

REWOUND_DESCRIPTORS: Final = SEAT_DESCRIPTORS + 3
REWOUND_PROCESSES: Final = 3
"""What a rewound seat takes: it has a keeper and a witness beside it. The runner has open the keeper's pidfd, the
keeper's channel, and the file by which the seat's largest use of memory is forgotten."""

REWOUND_DESCRIPTORS_SHARE: Final = 0.25
"""Share of the files for cached datasets that rewound seats may take, if there are any."""

GROUP_MARGIN_BYTES: Final = 512 * MIB
GROUP_MARGIN_PIDS: Final = 1024
"""What the template and the parsers of uploads may add to a runner's runs and datasets."""


def usual_seats() -> int:
    """Return how many runs a runner executes at a time if no setting says so."""
    return max(4, 2 * (os.cpu_count() or 1))


def executor_settings(settings: Settings) -> ExecutorSettings:
    """Return the settings of a CPU runner's executor. ``cache_bytes`` counts this machine's memory.

    Runs that sleep use no core, so there are more seats for users who have no run.
    """
    seats = settings.seats or usual_seats()
    cache_bytes = settings.cache_bytes or memory_bytes() // 2
    return ExecutorSettings(
        seats=seats,
        queue=settings.queue,
        cache_bytes=cache_bytes,
        cached_datasets=most_cached_datasets(settings, most_rewound_seats(settings, cache_bytes)),
        concurrent_loads=max(3, 1 + (os.cpu_count() or 1)),
        extra_seats=max(1, seats // 4) if settings.extra_seats is None else settings.extra_seats,
    )


def most_cached_datasets(settings: Settings, rewound_seats: int = 0) -> int:
    """Return how many datasets a runner may hold with the files that this process may open.

    ``rewound_seats``: of all datasets together.
    """
    files = _files_for_datasets()
    if files is None:
        return MOST_CACHED_DATASETS
    each = HOLDER_DESCRIPTORS + SEAT_DESCRIPTORS * (settings.spare_seats + settings.reused_seats)
    return min(MOST_CACHED_DATASETS, max(1, (files - rewound_seats * REWOUND_DESCRIPTORS) // each))


def most_rewound_seats(settings: Settings, cache_bytes: int) -> int:
    """Return how many rewound seats of all datasets a runner may have, by memory and by the files that it may open."""
    if not settings.rewound_seats:
        return 0
    by_memory = cache_bytes // REWOUND_SHARE // REWOUND_BYTES
    files = _files_for_datasets()
    if files is None:
        return by_memory
    return min(by_memory, int(files * REWOUND_DESCRIPTORS_SHARE) // REWOUND_DESCRIPTORS)


def _files_for_datasets() -> int | None:
    """Return how many files this process may open for cached datasets and their seats; None: any number."""
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if open_files == resource.RLIM_INFINITY else int(open_files * CACHE_DESCRIPTORS_SHARE)


def threads_of_a_run(settings: Settings) -> int:
    """Return the threads of a run whose request names none: the setting, or what the cores of this machine can use."""
    return settings.limits.threads or min(usual_threads(), settings.maximum.threads)


def most_memory_of_a_run(settings: Settings, runs: int) -> int:
    """Return the memory limit that no request may exceed: the setting, or the share of one of so many runs."""
    return settings.maximum.memory_bytes or int(memory_bytes() * RUNS_SHARE) // runs


def most_kept_bytes(settings: Settings, runs: int) -> int:
    """Return how many bytes of results may wait to be fetched: one result of each run, or a share of the memory."""
    share = int(memory_bytes() * KEPT_SHARE)
    return max(settings.maximum.result_bytes, min(runs * settings.maximum.result_bytes, share))


def group_limits(settings: Settings, executor: ExecutorSettings, most_memory_bytes: int) -> GroupLimits:
    """Return what all processes below a runner may use together: enough for all other limits, but not the machine.

    ``most_memory_bytes`` is for one run. Its result is in memory too, until it is fetched.
    """
    runs_bytes = executor.most_runs * (most_memory_bytes + settings.maximum.result_bytes)
    holders = executor.cache_bytes // HOLDER_BYTES
    rewound = most_rewound_seats(settings, executor.cache_bytes)
    rewound_bytes = min(rewound, executor.most_runs) * REWOUND_BYTES  # those that run give way to a dataset only later
    others_bytes = executor.cache_bytes + rewound_bytes + GROUP_MARGIN_BYTES
    enough_bytes = min(runs_bytes + others_bytes, int(SHARE * memory_bytes()))
    return GroupLimits(
        memory_bytes=settings.tasks_memory_bytes or enough_bytes,
        pids=executor.most_runs * settings.maximum.threads
        + holders * (1 + settings.spare_seats + settings.reused_seats)
        + rewound * REWOUND_PROCESSES
        + GROUP_MARGIN_PIDS,
    )


def seat_settings(settings: Settings, scratch: ScratchRoot, cache_bytes: int = 0) -> SeatSettings:
    """Return what a runner's seats are made with. ``cache_bytes``: the cache's part of this machine's memory."""
    maximum = settings.maximum
    return SeatSettings(
        scratch=scratch,
        spares=settings.spare_seats,
        reused=settings.reused_seats,
        rewound=settings.rewound_seats,
        rewound_between=settings.rewound_between,
        rewound_in_all=most_rewound_seats(settings, cache_bytes),
        output_bytes=settings.limits.output_bytes,
        result_bytes=maximum.result_bytes,
        file_bytes=maximum.scratch_bytes,
        open_files=settings.limits.open_files,
        threads=settings.maximum.threads,
    )
