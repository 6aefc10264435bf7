"""Ten failed log-ins a minute for a name from an address; memory is bounded, and other users are not affected."""

import asyncio

import pytest

from auth.errors import InvalidCredentials, TooManyAttempts, TooManyWaiting, Unauthenticated
from auth.throttle import LoginThrottle
from tests.unit.auth.clock import Clock
from tests.waiting import WITHIN_S, turns

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


async def fail(throttle: LoginThrottle, username: str = "ann", address: str = "203.0.113.9") -> None:
    with pytest.raises(InvalidCredentials):
        async with throttle.attempt(username, address):
            raise InvalidCredentials


async def refused(throttle: LoginThrottle, username: str = "ann", address: str = "203.0.113.9") -> TooManyAttempts:
    with pytest.raises(TooManyAttempts) as raised:
        async with throttle.attempt(username, address):
            raise AssertionError("let through")
    return raised.value


async def succeed(throttle: LoginThrottle, username: str = "ann", address: str = "203.0.113.9") -> None:
    async with throttle.attempt(username, address):
        pass


async def spent(clock: Clock, **options: int) -> LoginThrottle:
    throttle = LoginThrottle(clock=clock, **options)
    for _ in range(10):
        await fail(throttle)
    return throttle


async def test_ten_failures_and_no_more(clock: Clock) -> None:
    throttle = await spent(clock)
    error = await refused(throttle)
    assert (error.limit, error.retry_after_s, error.fields["retry_after_s"]) == (10, 60, 60)
    assert error.is_first
    assert not (await refused(throttle)).is_first


async def test_it_passes_with_time(clock: Clock) -> None:
    throttle = await spent(clock)
    clock.now += 59.5
    assert (await refused(throttle)).retry_after_s == 1
    clock.now += 0.5
    await succeed(throttle)
    await fail(throttle)


async def test_others_are_not_held_up(clock: Clock) -> None:
    throttle = await spent(clock)
    await succeed(throttle, username="bob")
    await succeed(throttle, address="203.0.113.10")


async def test_a_name_is_one_however_it_is_composed(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock)
    for _ in range(5):
        await fail(throttle, "e\u0301lodie")
        await fail(throttle, "\u00e9lodie")
    await refused(throttle, "\u00e9lodie")


async def test_an_ipv6_network_is_one_address(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock)
    for number in range(10):
        await fail(throttle, address=f"2001:db8:1:2::{number:x}")
    await refused(throttle, address="2001:db8:1:2:ffff::1")
    await succeed(throttle, address="2001:db8:1:3::1")
    for number in range(10):
        await fail(throttle, address="::ffff:198.51.100.7" if number % 2 else "198.51.100.7")
    await refused(throttle, address="198.51.100.7")
    await succeed(throttle, address="::ffff:198.51.100.8")


async def test_right_passwords_are_not_counted(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock)
    for _ in range(50):
        await succeed(throttle)
    assert len(throttle) == 0
    with pytest.raises(LookupError):
        async with throttle.attempt("ann", "x"):
            raise LookupError  # not the caller's fault
    assert len(throttle) == 0


async def test_sending_many_at_once_gains_nothing(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock)
    checked = 0

    async def guess() -> None:
        nonlocal checked
        async with throttle.attempt("ann", "x"):
            checked += 1
            await asyncio.sleep(0)
            raise InvalidCredentials

    results = await asyncio.gather(*(guess() for _ in range(40)), return_exceptions=True)
    assert checked == 10
    assert sum(isinstance(result, TooManyAttempts) for result in results) == 30


async def test_many_right_ones_at_once_all_come_through(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock)

    async def sign_in() -> None:
        async with throttle.attempt("ann", "x"):
            await asyncio.sleep(0)

    await asyncio.gather(*(sign_in() for _ in range(42)))
    assert len(throttle) == 0


async def test_of_one_address_32_wait_and_further_ones_are_refused_at_once(clock: Clock) -> None:
    throttle, free = LoginThrottle(clock=clock), asyncio.Event()

    async def sign_in(name: str, address: str) -> None:
        async with throttle.attempt(name, address):
            await free.wait()

    many = [asyncio.create_task(sign_in("ann", "203.0.113.9")) for _ in range(340)]
    await turns()
    refused = [task for task in many if task.done()]
    assert len(refused) == 340 - 10 - 32
    errors = [task.exception() for task in refused]
    first = errors[0]
    assert isinstance(first, TooManyWaiting)
    assert "32 log-ins from your address are waiting" in first.message
    assert first.fields == {"limit_name": "waiting_log_ins", "limit": 32, "retry_after_s": 1}
    assert [isinstance(error, TooManyWaiting) and error.is_first for error in errors] == [True] + [False] * 297
    other = asyncio.create_task(sign_in("ann", "203.0.113.10"))
    free.set()
    await asyncio.gather(other, *(task for task in many if task not in refused))
    assert throttle._queues == {}


async def test_none_waits_for_longer_than_its_deadline(clock: Clock) -> None:
    throttle, free = LoginThrottle(limit=1, wait_s=0.01, clock=clock), asyncio.Event()

    async def hang() -> None:
        async with throttle.attempt("ann", "x"):
            await free.wait()

    hanging = asyncio.create_task(hang())
    await turns()
    with pytest.raises(TooManyWaiting, match=r"waited 0\.01 s"):
        await succeed(throttle, "ann", "x")
    free.set()
    await hanging
    await succeed(throttle, "ann", "x")


async def test_an_ipv6_site_has_the_failures_of_four_networks(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock, address_limit=5)
    for number in range(20):
        await fail(throttle, f"nobody{number}", address=f"2001:db8:1:{number:x}::1")
    error = await refused(throttle, address="2001:db8:1:ffff::1")
    assert error.fields["limit_name"] == "site_login_attempts"
    await succeed(throttle, address="2001:db8:2::1")


async def test_many_networks_of_a_site_wait_in_one_queue(clock: Clock) -> None:
    throttle, free = LoginThrottle(clock=clock, address_limit=1, most_waiting=2), asyncio.Event()

    async def sign_in(number: int) -> None:
        async with throttle.attempt("ann", f"2001:db8:1:{number:x}::1"):
            await free.wait()

    many = [asyncio.create_task(sign_in(number)) for number in range(10)]
    await turns()
    assert sum(task.done() for task in many) == 10 - 4 - 2
    free.set()
    await asyncio.gather(*many, return_exceptions=True)


async def test_addresses_behind_a_translator_are_ipv4_addresses(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock, address_limit=2)
    for number in range(2):
        await fail(throttle, f"nobody{number}", address="64:ff9b::198.51.100.7")
    await refused(throttle, address="198.51.100.7")
    await succeed(throttle, address="64:ff9b::198.51.100.8")


async def test_who_leaves_while_a_password_is_checked_has_guessed(clock: Clock) -> None:
    throttle = LoginThrottle(limit=1, clock=clock)

    async def leave(*, begun: bool) -> None:
        async with throttle.attempt("ann", "x") as attempt:
            attempt.has_begun = begun
            raise asyncio.CancelledError

    for begun in (False, True):
        with pytest.raises(asyncio.CancelledError):
            await leave(begun=begun)
    await refused(throttle, "ann", "x")


async def test_an_address_alone_has_a_limit_too_because_names_cost_nothing(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock, address_limit=20)
    for number in range(20):
        await fail(throttle, f"nobody{number}")
    error = await refused(throttle, "ann")
    assert (error.fields["limit_name"], error.limit, error.is_first) == ("address_login_attempts", 20, True)
    assert not (await refused(throttle, "bob")).is_first
    await succeed(throttle, "ann", address="203.0.113.10")
    clock.now += 60
    await succeed(throttle, "ann")


async def test_personal_keys_are_counted_apart(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock, address_limit=2)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            async with throttle.attempt_with_key("203.0.113.9"):
                raise Unauthenticated
    with pytest.raises(TooManyAttempts):
        async with throttle.attempt_with_key("203.0.113.9"):
            raise AssertionError("let through")
    await succeed(throttle)


async def test_memory_is_bounded(clock: Clock) -> None:
    throttle = LoginThrottle(clock=clock, most_pairs=100, address_limit=10_000)
    for number in range(1000):
        await fail(throttle, username=f"user{number}" + "x" * 10_000)
        clock.now += 0.001
    assert len(throttle) == 100
    clock.now += 60
    await fail(throttle)
    assert len(throttle) == 2  # the name at its address, and the address alone


async def test_a_cancelled_log_in_lets_the_next_one_on(clock: Clock) -> None:
    throttle = LoginThrottle(limit=1, clock=clock)

    async def hang() -> None:
        async with throttle.attempt("ann", "x"):
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(succeed(throttle, "ann", "x"))
    await asyncio.sleep(0)
    assert not waiting.done()
    hanging.cancel()
    await asyncio.wait_for(waiting, WITHIN_S)
