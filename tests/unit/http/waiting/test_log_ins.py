"""A flood of log-ins holds up nobody: not another's list, and not another's log-in for longer than a turn."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from auth.errors import InvalidCredentials, TooManyAttempts, Unauthenticated
from auth.throttle import LoginThrottle
from deployments.ingress.credentials import Credentials
from deployments.ingress.errors import TooManyRequests
from deployments.ingress.sender import sent_from
from tests.unit.http.site import PASSWORD, Site
from tests.unit.http.waiting.slow_users import SlowUsers
from tests.waiting import eventually_async, turns

pytestmark = pytest.mark.anyio

FLOOD = "198.51.100.1"
QUIET = "198.51.100.2"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = Site.open(tmp_path / "data")
    opened.user("ann")
    yield opened
    opened.close()


async def sign_in(credentials: Credentials, username: str, address: str) -> str:
    with sent_from(address):
        return (await credentials.sign_in(username, PASSWORD, address)).principal.username


async def test_made_up_names_hold_up_neither_a_list_nor_anothers_log_in(site: Site) -> None:
    users = SlowUsers(site)
    credentials = replace(site.services.credentials, users=users)
    flood = [asyncio.create_task(sign_in(credentials, f"nobody{number}", FLOOD)) for number in range(64)]
    await eventually_async(lambda: sum(task.done() for task in flood) and users.checked)
    with sent_from(QUIET):
        assert await site.services.ask(site.services.users.count) == 1
    quiet = asyncio.create_task(sign_in(credentials, "ann", QUIET))
    await eventually_async(lambda: f"address {QUIET}" in credentials.threads.passwords._turns._users)  # it has come
    before = len(users.checked)
    users.go_on.set()
    assert await quiet == "ann"
    assert users.checked.index("ann") <= before + 1
    ends = [type(error) for error in await asyncio.gather(*flood, return_exceptions=True)]
    assert set(ends) == {InvalidCredentials, TooManyRequests}  # more than the queue holds are refused at once


async def test_a_log_in_whose_caller_has_left_takes_no_turn_and_leaves_a_line(site: Site) -> None:
    users = SlowUsers(site)
    credentials = replace(site.services.credentials, users=users)
    checked = asyncio.create_task(sign_in(credentials, "ann", FLOOD))
    await eventually_async(lambda: users.checked)
    waiting = [asyncio.create_task(sign_in(credentials, "ann", FLOOD)) for _ in range(20)]
    await turns()
    for task in (*waiting, checked):
        task.cancel()
    ends = await asyncio.gather(*waiting, checked, return_exceptions=True)
    assert {type(end) for end in ends} == {asyncio.CancelledError}
    users.go_on.set()
    await sign_in(credentials, "ann", QUIET)
    assert len(users.checked) <= 1 + credentials.threads.passwords._turns.places
    assert site.services.audit.flush()
    lines = site.services.audit.list(100, 0)[1]
    assert {(line.actor, line.address, line.outcome) for line in lines} == {("", FLOOD, "left"), ("ann", QUIET, "ok")}


async def test_an_address_has_so_many_failures_whatever_the_names(site: Site) -> None:
    credentials = replace(site.services.credentials, throttle=LoginThrottle(address_limit=3))
    for number in range(3):
        with pytest.raises(InvalidCredentials):
            await credentials.sign_in(f"nobody{number}", "x", FLOOD)
    with pytest.raises(TooManyAttempts) as refused:
        await credentials.sign_in("ann", PASSWORD, FLOOD)
    assert refused.value.fields["limit_name"] == "address_login_attempts"
    assert (await credentials.sign_in("ann", PASSWORD, QUIET)).principal.username == "ann"


async def test_made_up_personal_keys_do_not_fill_the_audit_log(site: Site) -> None:
    credentials = replace(site.services.credentials, throttle=LoginThrottle(address_limit=3))
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await credentials.sign_in_with_key(f"PersonalKey {'0' * 32}:x", FLOOD)
    for _ in range(3):
        with pytest.raises(TooManyAttempts):
            await credentials.sign_in_with_key(f"PersonalKey {'0' * 32}:x", FLOOD)
    assert (await credentials.sign_in("ann", PASSWORD, FLOOD)).principal.username == "ann"  # counted apart
    assert site.services.audit.flush()
    outcomes = [line.outcome for line in reversed(site.services.audit.list(100, 0)[1])]
    assert outcomes == ["refused"] * 3 + ["throttled", "ok"]


async def test_a_new_password_is_hashed_where_log_ins_are(site: Site) -> None:
    """Not in the threads that write to the catalog."""
    hashed = await site.services.credentials.hashed("another horse battery")
    site.services.users.set_password("ann", hashed)
    assert (await site.services.credentials.sign_in("ann", "another horse battery", QUIET)).token
