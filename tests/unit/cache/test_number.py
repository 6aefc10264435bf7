"""How many datasets a runner holds with the files that it may open."""

import resource

import pytest

from deployments.runner import budget
from deployments.runner.budget import MOST_CACHED_DATASETS, executor_settings
from deployments.settings import Settings
from runtime.task import MIB

GIB = 1024 * MIB


@pytest.mark.parametrize(
    ("open_files", "settings", "datasets"),
    [
        (1024, {}, 51),
        (1024, {"spare_seats": 0}, 409),
        (1024, {"reused_seats": 2}, 27),
        (1024, {"rewound_seats": 2}, 38),
        (1024, {"rewound_seats": 2, "cache_bytes": 100 * MIB}, 50),
        (20, {}, 1),
        (10**9, {}, MOST_CACHED_DATASETS),
        (resource.RLIM_INFINITY, {}, MOST_CACHED_DATASETS),
    ],
)
def test_four_fifths_of_the_files_are_for_cached_datasets(
    monkeypatch: pytest.MonkeyPatch, open_files: int, settings: dict[str, int], datasets: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (open_files, open_files))
    monkeypatch.setattr(budget, "memory_bytes", lambda: 64 * GIB)
    assert executor_settings(Settings(**settings)).cached_datasets == datasets


@pytest.mark.parametrize(
    ("open_files", "settings", "seats"),
    [
        (1024, {}, 0),
        (1024, {"rewound_seats": 2}, 20),
        (resource.RLIM_INFINITY, {"rewound_seats": 2}, 85),
        (10**6, {"rewound_seats": 1}, 85),
    ],
)
def test_rewound_seats_have_a_quarter_of_the_cache_and_of_its_files(
    monkeypatch: pytest.MonkeyPatch, open_files: int, settings: dict[str, int], seats: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (open_files, open_files))
    assert budget.most_rewound_seats(Settings(**settings), 8 * GIB) == seats
