"""Counters and histograms of a runner replica, which Ray's own exporter and dashboard show.

Serve's wrappers of ``ray.util.metrics`` add the deployment, replica and application to each. No label names a user, a
dataset or a run, because their number has no bound.
"""

from ray.serve import metrics

from runtime.executor import Executor
from runtime.run_report import RunCost, phases

_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600]


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
        self._cache = {
            name: metrics.Gauge(f"graphside_{name}", description=text)
            for name, text in (
                ("cache_bytes", "Bytes charged to the dataset cache."),
                ("cached_datasets", "Datasets in the cache."),
                ("seats_running", "Runs that have a seat now."),
                ("seats_waiting", "Runs that wait for a seat now."),
            )
        }
        self._events = {
            name: metrics.Counter(f"graphside_cache_{name}", description=text)
            for name, text in (
                ("hits", "Runs that found their dataset in the cache."),
                ("loads", "Datasets loaded."),
                ("evictions", "Datasets evicted to make room."),
            )
        }
        self._seen = dict.fromkeys(self._events, 0)

    def run_ended(self, cause: str, engine: str, cost: RunCost) -> None:
        """Count a run and its phases."""
        self._runs.inc(1, tags={"cause": cause, "engine": engine})
        for phase, seconds in phases(cost).items():
            self._phases.observe(max(seconds, 1e-6), tags={"phase": phase})

    def sample(self, executor: Executor) -> None:
        """Report the state of the cache and of the seats."""
        values = {
            "cache_bytes": executor.cache.used_bytes,
            "cached_datasets": len(executor.cache.dataset_ids),
            "seats_running": executor.running,
            "seats_waiting": executor.waiting,
        }
        for name, value in values.items():
            self._cache[name].set(value, tags={})
        for name, counter in self._events.items():
            count = getattr(executor.cache.counts, name)
            if count > self._seen[name]:
                counter.inc(count - self._seen[name], tags={})
                self._seen[name] = count
