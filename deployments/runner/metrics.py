"""Counters and histograms of a runner replica, which Ray's own exporter and dashboard show.

Serve's wrappers of ``ray.util.metrics`` add the deployment, replica and application to each. No label names a user, a
dataset or a run, because their number has no bound.
"""

from collections import Counter
from collections.abc import Mapping

from ray.serve import metrics

from runtime.engines.rewound_places import RewoundPlaces
from runtime.executor import Executor
from runtime.run_report import RunCost, phases

_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600]
_REWIND_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]


class RunnerMetrics:
    """What one runner replica reports."""

    def __init__(self) -> None:
        self._runs = metrics.Counter(
            "graphside_runs",
            description="Runs by cause of end.",
            tag_keys=("cause", "engine"),  # type: ignore[arg-type]  # annotated as one key, takes any number
        )
        self._phases = metrics.Histogram(
            "graphside_phase_seconds",
            description="Time of a run in queue, seat, run and encode.",
            boundaries=_SECONDS,
            tag_keys=("phase",),
        )
        self._rewinds = metrics.Histogram(
            "graphside_rewind_seconds",
            description="Time from the end of a run until its rewound seat is ready for the next.",
            boundaries=_REWIND_SECONDS,
        )
        self._rewind_cpu = metrics.Counter("graphside_rewind_cpu_seconds", description="CPU time of all rewinds.")
        self._now = {
            name: metrics.Gauge(f"graphside_{name}", description=text)
            for name, text in (
                ("cache_bytes", "Bytes charged to the dataset cache."),
                ("cached_datasets", "Datasets in the cache."),
                ("seats_running", "Runs that have a seat now."),
                ("seats_waiting", "Runs that wait for a seat now."),
                ("rewound_seats", "Rewound seats, with those that are made or end now."),
                ("rewound_bytes", "Bytes charged for rewound seats, in what datasets leave of the cache's budget."),
            )
        }
        self._totals = {
            "cache_hits": _Total("cache_hits", "Runs that found their dataset in the cache."),
            "cache_loads": _Total("cache_loads", "Datasets loaded."),
            "cache_evictions": _Total("cache_evictions", "Datasets evicted to make room."),
            "seats_used": _Total("seats_used", "Runs by the kind of their seat.", "seat"),
            "rewound_seats_made": _Total("rewound_seats_made", "Rewound seats that were made."),
            "rewound_seats_not_made": _Total("rewound_seats_not_made", "Rewound seats that could not be made."),
            "rewound_seats_ended": _Total("rewound_seats_ended", "Rewound seats that ended, by reason.", "reason"),
        }

    def run_ended(self, cause: str, engine: str, cost: RunCost) -> None:
        """Count a run and its phases."""
        self._runs.inc(1, tags={"cause": cause, "engine": engine})
        for phase, seconds in phases(cost).items():
            self._phases.observe(max(seconds, 1e-6), tags={"phase": phase})

    def sample(self, executor: Executor) -> None:
        """Report the state of the cache and of the seats, and what happened since the last time."""
        counts = executor.cache.counts
        self._set("cache_bytes", executor.cache.used_bytes)
        self._set("cached_datasets", len(executor.cache.dataset_ids))
        self._set("seats_running", executor.running)
        self._set("seats_waiting", executor.waiting)
        self._totals["cache_hits"].follow({"": counts.hits})
        self._totals["cache_loads"].follow({"": counts.loads})
        self._totals["cache_evictions"].follow({"": counts.evictions})
        self._totals["seats_used"].follow(executor.seats_used)
        if executor.engine.rewound is not None:
            self._sample_rewound(executor.engine.rewound)

    def _sample_rewound(self, places: RewoundPlaces) -> None:
        counts = places.counts
        self._set("rewound_seats", places.count)
        self._set("rewound_bytes", places.used_bytes)
        self._totals["rewound_seats_made"].follow({"": counts.made})
        self._totals["rewound_seats_not_made"].follow({"": counts.not_made})
        self._totals["rewound_seats_ended"].follow(counts.ended)
        cpu_s = 0.0
        while counts.rewinds:
            seconds, of_keeper_s = counts.rewinds.popleft()
            self._rewinds.observe(max(seconds, 1e-6), tags={})
            cpu_s += of_keeper_s
        if cpu_s > 0:
            self._rewind_cpu.inc(cpu_s, tags={})

    def _set(self, name: str, value: float) -> None:
        self._now[name].set(value, tags={})


class _Total:
    """A counter that follows numbers which others count. ``tag``: what their keys name; None if there is one number."""

    def __init__(self, name: str, description: str, tag: str | None = None) -> None:
        self._counter = metrics.Counter(
            f"graphside_{name}", description=description, tag_keys=None if tag is None else (tag,)
        )
        self._tag = tag
        self._seen: Counter[str] = Counter()

    def follow(self, totals: Mapping[str, int]) -> None:
        for key, total in totals.items():
            if total > self._seen[key]:
                tags = {} if self._tag is None else {self._tag: key}
                self._counter.inc(total - self._seen[key], tags=tags)
                self._seen[key] = total
