"""A user may have so many runs at once, and start so many within a minute; nobody else is counted with him."""

import pytest

from deployments.ingress.errors import TooManyRequests
from deployments.ingress.runs.quota import RunQuota


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.claim(36)
def test_runs_at_once_are_bounded_for_each_user() -> None:
    quota = RunQuota(at_once=1)
    with quota.run_of(1):
        with pytest.raises(TooManyRequests) as refused, quota.run_of(1):
            pass
        with quota.run_of(2):
            pass
    assert refused.value.fields["limit_name"] == "user_runs"
    assert refused.value.message.startswith("you already have 1 run running")
    with quota.run_of(1):
        pass


@pytest.mark.claim(36)
def test_starts_within_a_minute_are_bounded_and_the_caller_learns_when_the_next_one_may_come() -> None:
    clock = Clock()
    quota = RunQuota(at_once=9, per_minute=2, clock=clock)
    for _ in range(2):
        with quota.run_of(1):
            pass
        clock.now += 10
    with pytest.raises(TooManyRequests) as refused, quota.run_of(1):
        pass
    fields = refused.value.fields
    assert (fields["limit_name"], fields["limit"], fields["observed"]) == ("user_runs_per_minute", 2, 2)
    clock.now += fields["retry_after_s"]
    with quota.run_of(1):
        pass


def test_users_who_left_are_forgotten() -> None:
    clock = Clock()
    quota = RunQuota(at_once=9, per_minute=5, clock=clock)
    for user_id in range(100):
        with quota.run_of(user_id):
            pass
    clock.now += 61
    for _ in range(60):
        with quota.run_of(0):
            pass
        clock.now += 61
    assert len(quota._starts) == 1
