"""What a runner reports of its runs, its cache and its seats."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.runner.metrics import RunnerMetrics
from runtime.engines.rewound_places import GIVEN_UP, RewoundPlaces
from runtime.sandbox.host.seat import SEAT_KINDS
from runtime.sandbox.walls.rewinding.unfit import REASONS
from tests.tasks import COST
from tests.unit.docs.markdown import code, rows


class Reported:
    """Stands for ``ray.serve.metrics``: keeps what was reported, by name and tags."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], float] = {}
        self.names: dict[str, tuple[str, ...]] = {}

    def metric(self, name: str, description: str = "", tag_keys: Any = None, boundaries: Any = None) -> SimpleNamespace:
        assert description and (boundaries is None or boundaries == sorted(boundaries))
        self.names[name] = tuple(tag_keys or ())

        def change(value: float, tags: dict[str, str], *, adds: bool) -> None:
            assert set(tags) == set(self.names[name])
            key = (name, *tags.values())
            self.values[key] = value + (self.values.get(key, 0) if adds else 0)

        return SimpleNamespace(
            inc=lambda value, tags: change(value, tags, adds=True),
            observe=lambda value, tags: change(value, tags, adds=True),
            set=lambda value, tags: change(value, tags, adds=False),
        )

    Counter = Gauge = Histogram = metric


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> Reported:
    reported = Reported()
    monkeypatch.setattr("deployments.runner.metrics.metrics", reported)
    return reported


def fake_executor(rewound: RewoundPlaces | None) -> Any:
    return SimpleNamespace(
        cache=SimpleNamespace(
            counts=SimpleNamespace(hits=3, loads=2, evictions=1), used_bytes=70, dataset_ids=["a", "b"]
        ),
        running=4, waiting=5, seats_used=Counter(forked=2, rewound=6), engine=SimpleNamespace(rewound=rewound),
    )  # fmt: skip


def test_a_run_is_counted_by_its_end_and_its_phases_are_timed(reported: Reported) -> None:
    RunnerMetrics().run_ended("ok", "pandas", COST)
    assert reported.values["graphside_runs", "ok", "pandas"] == 1
    assert reported.values["graphside_phase_seconds", "run"] == COST["run_s"]


def test_totals_are_reported_once(reported: Reported) -> None:
    metrics, executor = RunnerMetrics(), fake_executor(None)
    metrics.sample(executor)
    executor.seats_used["rewound"] += 1
    metrics.sample(executor)
    assert reported.values == {
        ("graphside_cache_bytes",): 70,
        ("graphside_cached_datasets",): 2,
        ("graphside_seats_running",): 4,
        ("graphside_seats_waiting",): 5,
        ("graphside_cache_hits",): 3,
        ("graphside_cache_loads",): 2,
        ("graphside_cache_evictions",): 1,
        ("graphside_seats_used", "forked"): 2,
        ("graphside_seats_used", "rewound"): 7,
    }


def test_rewinds_are_timed_once_and_ends_have_their_reasons(reported: Reported) -> None:
    metrics, places = RunnerMetrics(), RewoundPlaces(0)
    places.counts.made = 2
    places.counts.ended["threads"] = 1
    places.counts.rewinds.extend([(0.001, 0.0005), (0.002, 0.0005)])
    for _ in range(2):
        metrics.sample(fake_executor(places))
    seen = {name: value for name, value in reported.values.items() if "rew" in name[0]}
    assert seen == {
        ("graphside_rewound_seats",): 0,
        ("graphside_rewound_bytes",): 0,
        ("graphside_rewound_seats_made",): 2,
        ("graphside_rewound_seats_ended", "threads"): 1,
        ("graphside_rewind_seconds",): 0.003,
        ("graphside_rewind_cpu_seconds",): 0.001,
    }


def test_the_page_for_operators_lists_every_metric_with_its_tags(reported: Reported) -> None:
    RunnerMetrics()
    documented = {code(row["metric"]): row["tags"].replace("`", "") for row in rows("docs/operating.md", "metric")}
    assert documented == {name: ", ".join(tags) for name, tags in reported.names.items()}


def test_the_page_for_operators_lists_every_reason_and_every_kind_of_seat() -> None:
    assert {code(row["reason"]) for row in rows("docs/operating.md", "reason")} == {*REASONS, *GIVEN_UP}
    assert [code(row["seat"]) for row in rows("docs/operating.md", "seat")] == list(SEAT_KINDS)
