"""What is made of latencies: percentiles, medians of rounds, ratios between neighbours."""

import pytest

from bench.harness import Measured, Round, percentile


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        ([float(value) for value in range(1, 101)], 0.99, 99.0),
        ([float(value) for value in range(1, 101)], 1.0, 100.0),
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_a_percentile_is_a_value_that_was_seen(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def measured(name: str, *p50_ms: float) -> Measured:
    return Measured(name, 1, tuple(Round(each, 2 * each, 1000 / each, 10) for each in p50_ms), {})


def test_a_ratio_is_the_median_of_those_between_neighbours() -> None:
    ours, other = measured("ours", 2.0, 30.0, 3.0), measured("other", 1.0, 10.0, 2.0)
    assert ours.over(other, "p50_ms") == 2.0
    assert ours.median("p50_ms") / other.median("p50_ms") == 1.5


def test_rounds_that_have_no_neighbour_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        measured("ours", 1.0, 2.0).over(measured("other", 1.0), "p50_ms")
