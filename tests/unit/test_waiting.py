"""``eventually`` returns what it waited for, and says what did not come."""

import asyncio

import pytest

from tests.waiting import eventually, eventually_async


def test_the_first_true_value_is_returned() -> None:
    values = iter([0, None, 3])
    assert eventually(lambda: next(values)) == 3


def test_a_failure_shows_the_condition_and_its_last_value() -> None:
    words: list[str] = []
    with pytest.raises(AssertionError, match=r"still \[\] after 0.02 s: .*lambda: words"):
        eventually(lambda: words, within_s=0.02)


@pytest.mark.anyio
async def test_the_loop_goes_on_meanwhile() -> None:
    arrived: list[int] = []
    asyncio.get_running_loop().call_later(0.02, arrived.append, 7)
    assert await eventually_async(lambda: arrived) == [7]
    with pytest.raises(AssertionError, match=r"still False after 0.02 s"):
        await eventually_async(lambda: False, within_s=0.02)
