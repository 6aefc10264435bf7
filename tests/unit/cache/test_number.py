"""How many datasets a runner holds with the files that it may open."""

import resource

import pytest

from deployments.runner.budget import MOST_CACHED_DATASETS, executor_settings
from deployments.settings import Settings


@pytest.mark.parametrize(
    ("open_files", "settings", "datasets"),
    [
        (1024, {}, 51),
        (1024, {"spare_seats": 0}, 409),
        (1024, {"reused_seats": 2}, 27),
        (20, {}, 1),
        (10**9, {}, MOST_CACHED_DATASETS),
        (resource.RLIM_INFINITY, {}, MOST_CACHED_DATASETS),
    ],
)
def test_four_fifths_of_the_files_are_for_cached_datasets(
    monkeypatch: pytest.MonkeyPatch, open_files: int, settings: dict[str, int], datasets: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (open_files, open_files))
    assert executor_settings(Settings(**settings)).cached_datasets == datasets
