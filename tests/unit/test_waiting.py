"""``eventually`` returns the value that it waited for, or fails; ``settled`` leaves the verdict to its caller."""

import asyncio

import pytest

from tests.waiting import eventually, eventually_async, settled


def test_the_first_true_value_is_returned() -> None:
    values = iter([0, None, 3])
    assert eventually(lambda: next(values)) == 3


def test_a_failure_shows_the_condition_and_its_last_value() -> None:
    words: list[str] = []
    with pytest.raises(AssertionError, match=r"still \[\] after 0.02 s: .*lambda: words"):
        eventually(lambda: words, within_s=0.02)


def test_a_failure_has_the_callers_explanation() -> None:
    with pytest.raises(AssertionError, match="\nthe log of the server"):
        eventually(lambda: False, 0.02, explain=lambda: "the log of the server")


def test_the_last_value_is_returned_if_none_settles() -> None:
    values = iter(range(1000))
    assert settled(lambda: next(values), lambda value: value == 3, within_s=5) == 3
    assert settled(lambda: next(values), lambda value: False, within_s=0.05) > 4


@pytest.mark.anyio
async def test_the_loop_goes_on_meanwhile() -> None:
    arrived: list[int] = []
    asyncio.get_running_loop().call_later(0.02, arrived.append, 7)
    assert await eventually_async(lambda: arrived) == [7]
    with pytest.raises(AssertionError, match=r"still False after 0.02 s"):
        await eventually_async(lambda: False, within_s=0.02)
