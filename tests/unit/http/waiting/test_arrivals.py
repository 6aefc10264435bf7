"""A sender whose bodies never come takes places from nobody but itself."""

from functools import partial

import pytest

from deployments.ingress.errors import TooManyRequests
from deployments.ingress.middleware.arrivals import Arrivals


def stays(error: Exception) -> None:
    raise AssertionError(f"ended: {error}")


def test_a_sender_has_so_many_places_and_gets_them_back() -> None:
    arrivals = Arrivals(most=10, most_of_one=2)
    first, _ = (arrivals.begin("ann", stays) for _ in range(2))
    with pytest.raises(TooManyRequests) as refused:
        arrivals.begin("ann", stays)
    assert refused.value.fields["limit_name"] == "arriving_per_sender"
    arrivals.done(first)
    arrivals.done(first)
    arrivals.begin("ann", stays)
    assert len(arrivals) == 2


def test_the_oldest_of_the_greediest_gives_way() -> None:
    arrivals, ended = Arrivals(most=5, most_of_one=4), list[str]()

    def end(number: int, error: Exception) -> None:
        ended.append(f"{number} {type(error).__name__}")

    for number in range(4):
        arrivals.begin("greedy", partial(end, number))
    arrivals.begin("ann", stays)
    arrivals.begin("ben", stays)
    assert ended == ["0 Overloaded"]
    assert len(arrivals) == 5
    arrivals.begin("ann", stays)
    assert ended == ["0 Overloaded", "1 Overloaded"]


def test_among_equals_the_newcomer_is_refused() -> None:
    arrivals = Arrivals(most=3, most_of_one=3)
    for name in ("ann", "ben", "cleo"):
        arrivals.begin(name, stays)
    with pytest.raises(TooManyRequests) as refused:
        arrivals.begin("ann", stays)
    assert refused.value.fields["limit_name"] == "arriving"
