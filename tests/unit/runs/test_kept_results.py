"""Results that wait at a runner: bounded in all and for each user, and gone once they were taken."""

import os
from collections.abc import Callable

import pytest

from deployments.runner.budget import most_kept_bytes
from deployments.runner.kept_results import KeptResults
from deployments.settings import Settings
from runtime.errors import Overloaded
from runtime.memory import memory_bytes
from runtime.sandbox.host.large_result import LargeResult

pytestmark = pytest.mark.anyio

PAGE = 4096


@pytest.fixture
def result() -> Callable[[int], LargeResult]:
    def make(pages: int) -> LargeResult:
        fd = os.memfd_create("result")
        os.ftruncate(fd, pages * PAGE)
        made = LargeResult(fd, pages * PAGE)
        os.close(fd)
        return made

    return make


async def test_a_result_can_be_taken_once(result: Callable[[int], LargeResult]) -> None:
    kept, made = KeptResults(10 * PAGE), result(1)
    kept.keep("r", "ann", made)
    assert kept.take("r") is made
    assert kept.take("r") is None


async def test_a_user_has_half_of_the_room(result: Callable[[int], LargeResult]) -> None:
    kept = KeptResults(10 * PAGE)
    kept.keep("1", "ann", result(3))
    with pytest.raises(Overloaded, match="12288 bytes of your results wait to be read"):
        kept.keep("2", "ann", result(3))
    kept.keep("3", "bob", result(3))
    assert kept.take("1") is not None
    kept.keep("2", "ann", result(3))


async def test_two_users_leave_the_last_quarter_to_a_third(result: Callable[[int], LargeResult]) -> None:
    kept = KeptResults(8 * PAGE)
    for run_id, user in (("1", "ann"), ("2", "ann"), ("3", "bob")):
        kept.keep(run_id, user, result(2))
    with pytest.raises(Overloaded, match="too many results wait"):
        kept.keep("4", "bob", result(1))
    kept.keep("4", "cleo", result(2))


async def test_a_user_s_only_result_may_have_all_the_room(result: Callable[[int], LargeResult]) -> None:
    kept = KeptResults(10 * PAGE)
    kept.keep("1", "ann", result(10))
    with pytest.raises(Overloaded, match="too many results wait"):
        kept.keep("2", "bob", result(1))


async def test_what_was_refused_or_taken_is_not_counted(result: Callable[[int], LargeResult]) -> None:
    kept = KeptResults(4 * PAGE)
    for number in range(9):
        kept.keep(str(number), "ann", result(2))
        with pytest.raises(Overloaded):
            kept.keep("more", "ann", result(1))
        assert kept.take(str(number)) is not None


@pytest.mark.parametrize("seats", [1, 4, 10_000])
def test_one_result_has_room_always_and_all_together_take_a_share_of_the_memory(seats: int) -> None:
    most = most_kept_bytes(Settings(), seats)
    assert most >= Settings().maximum.result_bytes
    assert most <= max(Settings().maximum.result_bytes, memory_bytes() // 8)
