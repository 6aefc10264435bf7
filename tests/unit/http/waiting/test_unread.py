"""Results that nobody reads are bounded: of one user, and in all."""

from contextlib import ExitStack

import pytest

from deployments.ingress.errors import TooManyRequests
from deployments.ingress.runs.unread import SMALL_BYTES, UnreadResults
from runtime.errors import Overloaded

MIB = 1024 * 1024


def test_a_user_has_half_of_the_room_and_learns_so_before_the_next_run() -> None:
    unread = UnreadResults(1000 * MIB)
    with unread.holding(1, 300 * MIB):
        unread.check(1)
        with pytest.raises(TooManyRequests) as refused, unread.holding(1, 201 * MIB):
            pass
        assert refused.value.fields["limit_name"] == "unread_bytes"
        with unread.holding(1, 200 * MIB):
            with pytest.raises(TooManyRequests):
                unread.check(1)
            unread.check(2)
    unread.check(1)
    with unread.holding(1, 500 * MIB):
        pass


def test_the_last_quarter_is_for_those_who_have_nothing_here() -> None:
    unread = UnreadResults(1000 * MIB)
    with ExitStack() as held:
        for user_id in (1, 2):
            held.enter_context(unread.holding(user_id, 350 * MIB))
        with pytest.raises(Overloaded) as full:
            held.enter_context(unread.holding(1, 100 * MIB))
        assert full.value.fields["retry_after_s"] == 5
        held.enter_context(unread.holding(3, 300 * MIB))
        with pytest.raises(Overloaded):
            held.enter_context(unread.holding(4, 1 * MIB))


def test_the_only_result_may_be_larger_than_all_room() -> None:
    """Else a small machine could not deliver what its limits allow."""
    unread = UnreadResults(1000 * MIB)
    with unread.holding(1, 5000 * MIB), pytest.raises(Overloaded), unread.holding(2, 1 * MIB):
        pass


def test_small_results_are_always_delivered() -> None:
    unread = UnreadResults(1000 * MIB)
    with unread.holding(1, 1000 * MIB), unread.holding(1, SMALL_BYTES), unread.holding(2, SMALL_BYTES):
        pass
