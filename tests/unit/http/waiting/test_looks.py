"""What goes on is looked at again and again; what is over is not."""

import pytest

from deployments.ingress.middleware.looks import Looks
from tests.waiting import eventually_async

pytestmark = pytest.mark.anyio


class Request:
    def __init__(self, looks: Looks, *, ends_others: "list[Request] | None" = None) -> None:
        self.looks = looks
        self.times: list[float] = []
        self.others = ends_others or []

    def look(self, now: float) -> None:
        self.times.append(now)
        for other in self.others:
            self.looks.end(other)


@pytest.fixture
def looks() -> Looks:
    return Looks(shortest_s=0.02)


async def test_what_goes_on_is_looked_at_again_and_again(looks: Looks) -> None:
    requests = [Request(looks) for _ in range(3)]
    for request in requests:
        looks.begin(request)
    await eventually_async(lambda: len(requests[0].times) >= 3)
    assert all(request.times[:3] == requests[0].times[:3] for request in requests)
    assert requests[0].times == sorted(set(requests[0].times))


async def test_what_has_ended_is_looked_at_no_more(looks: Looks) -> None:
    over, going_on = Request(looks), Request(looks)
    looks.begin(over)
    looks.begin(going_on)
    looks.end(over)
    looks.end(over)
    await eventually_async(lambda: bool(going_on.times))
    assert over.times == []


async def test_a_look_may_end_others(looks: Looks) -> None:
    other = Request(looks)
    one = Request(looks, ends_others=[other])
    looks.begin(one)
    looks.begin(other)
    await eventually_async(lambda: len(one.times) >= 2)
    assert len(other.times) <= 1


async def test_when_nothing_goes_on_there_is_no_timer_until_something_does(looks: Looks) -> None:
    request = Request(looks)
    looks.begin(request)
    looks.end(request)
    await eventually_async(lambda: looks._timer is None)
    looks.begin(request)
    await eventually_async(lambda: bool(request.times))
    looks.end(request)
