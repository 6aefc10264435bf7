"""Wait for a condition with a deadline; no test sleeps for a fixed time instead."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

WITHIN_S = 300.0
SLOW_S = 60.0
"""What a slow and busy machine may add to the time of anything that is quick."""

_POLL_S = 0.01


def eventually(
    condition: Callable[[], T | None],
    within_s: float = WITHIN_S,
    poll_s: float = _POLL_S,
    explain: Callable[[], str] = str,
) -> T:
    """Return the first true value of ``condition()``; fail if there is none within ``within_s`` seconds.

    The failure shows the condition, its last value and the text of ``explain()``.
    """
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{_failure(condition, value, within_s)}\n{explain()}".strip())
        time.sleep(poll_s)
    return value


def settled(look: Callable[[], T], is_settled: Callable[[T], bool], within_s: float, poll_s: float = _POLL_S) -> T:
    """Return the first settled value of ``look()``, or the last value after ``within_s`` seconds: the caller judges."""
    deadline = time.monotonic() + within_s
    while not is_settled(value := look()) and time.monotonic() < deadline:
        time.sleep(poll_s)
    return value


async def eventually_async(condition: Callable[[], T | None], within_s: float = WITHIN_S, poll_s: float = _POLL_S) -> T:
    """Do the same as ``eventually`` on an event loop, which goes on meanwhile."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(_failure(condition, value, within_s))
        await asyncio.sleep(poll_s)
    return value


async def turns(count: int = 20) -> None:
    """Give every other task of the loop ``count`` turns, to show that something does not happen."""
    for _ in range(count):
        await asyncio.sleep(0)


def _failure(condition: Callable[[], Any], value: object, within_s: float) -> str:
    try:
        text = " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):  # a builtin, a bound method of a C type
        text = repr(condition)
    return f"still {value!r} after {within_s:g} s: {text}"
