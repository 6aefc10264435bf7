"""Whose datasets leave the cache when room is short."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from runtime.dataset_cache import STALE_S, DatasetCache, NoRoom
from tests.unit.cache.test_cache import Loads, source, use

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def in_use(cache: DatasetCache, names: Iterable[str], user: str, byte_count: int = 10) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for name in names:
            await stack.enter_async_context(cache.pinned(source(name, byte_count), user))
        yield


async def use_all(cache: DatasetCache, names: str, user: str, byte_count: int = 10) -> None:
    for name in names.split():
        await use(cache, name, byte_count, user)


async def test_many_datasets_of_one_user_drive_out_no_warm_dataset_of_another() -> None:
    cache = DatasetCache(Loads(), 100, 100)
    await use(cache, "mine", 30, "me")
    for number in range(50):
        await use(cache, f"theirs{number}", 10, "them")
    assert "mine" in cache.dataset_ids
    assert cache.dataset_ids[-1] == "theirs49"
    assert cache.used_bytes == 100


async def test_who_holds_the_most_gives_way_with_what_they_used_least_recently() -> None:
    cache = DatasetCache(Loads(), 100, 100)
    await use_all(cache, "a b c", "modest")
    await use_all(cache, "p q r s t u v", "greedy")
    await use(cache, "p", user="greedy")
    await use_all(cache, "d e", "modest")
    assert cache.dataset_ids == ["a", "b", "c", "s", "t", "u", "v", "p", "d", "e"]


async def test_of_users_who_hold_as_much_the_least_recently_used_dataset_goes() -> None:
    cache = DatasetCache(Loads(), 50, 100)
    for user in "dbeca":
        await use(cache, f"of {user}", 10, user)
    await use(cache, "of d", 10, "d")
    for user in "xyz":
        await use(cache, f"of {user}", 10, user)
    assert cache.dataset_ids == ["of a", "of d", "of x", "of y", "of z"]


async def test_users_with_equal_shares_replace_their_own() -> None:
    cache = DatasetCache(Loads(), 40, 100)
    await use_all(cache, "a b", "one")
    await use_all(cache, "p q r s", "two")
    await use_all(cache, "c", "one")
    assert sorted(cache.dataset_ids) == ["b", "c", "r", "s"]


async def test_a_single_dataset_may_take_all_that_is_not_in_use() -> None:
    cache = DatasetCache(Loads(), 100, 100)
    await use(cache, "a", 30, "one")
    await use(cache, "b", 30, "two")
    await use(cache, "huge", 100, "three")
    assert cache.dataset_ids == ["huge"]


async def test_datasets_in_use_take_no_more_than_a_share_from_a_warm_dataset() -> None:
    cache = DatasetCache(Loads(), 100, 100)
    await use(cache, "mine", 30, "me")
    async with in_use(cache, "abcdefg", "them"):
        with pytest.raises(NoRoom):
            await use(cache, "h", 10, "them")
        assert "mine" in cache.dataset_ids
    await use(cache, "h", 10, "them")
    assert "a" not in cache.dataset_ids


async def test_the_last_eighth_is_left_to_users_whose_runs_use_nothing_here() -> None:
    cache = DatasetCache(Loads(), 80, 100)
    async with in_use(cache, "abcdefg", "them"):
        with pytest.raises(NoRoom):
            await use(cache, "h", 10, "them")
        assert (await use(cache, "mine", 10, "me")).alive


async def test_who_waits_for_a_share_gets_it_when_their_own_run_ends() -> None:
    cache = DatasetCache(Loads(), 80, 100)
    later = asyncio.get_running_loop().time() + 10
    async with in_use(cache, "bcdefg", "them"):
        async with in_use(cache, "a", "them"):
            waiting = asyncio.create_task(cache.room_for(source("h"), "them", later))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
        await use(cache, "h", 10, "them")


async def test_runs_that_wait_for_room_look_at_what_is_in_use_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only when a dataset is used no more, however many datasets there are."""
    cache = DatasetCache(Loads(), 1000, 1000)
    looks = list[str]()
    may_use = cache._may_use

    def noted(user: str, byte_count: int) -> bool:
        looks.append(user)
        return may_use(user, byte_count)

    monkeypatch.setattr(cache, "_may_use", noted)
    async with in_use(cache, ["a"], "them", 500):
        async with in_use(cache, ["b", "b"], "me", 500):
            later = asyncio.get_running_loop().time() + 60
            waiting = asyncio.create_task(cache.room_for(source("c", 500), "another", later))
            await asyncio.sleep(0)
            looks.clear()
            async with in_use(cache, ["a"], "them", 500):
                pass
            assert (looks, len(cache._in_use)) == ([], 2)
        await waiting
    assert not cache._in_use


async def test_a_dataset_that_nobody_used_for_long_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DatasetCache(Loads(), 100, 100)
    now = 0.0
    monkeypatch.setattr(cache, "_now", lambda: now)
    await use(cache, "old", 30, "absent")
    now = STALE_S + 1
    await use_all(cache, "a b c d e f g h", "busy")
    assert cache.dataset_ids == ["a", "b", "c", "d", "e", "f", "g", "h"]


async def test_a_dataset_in_a_long_run_is_not_stale_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DatasetCache(Loads(), 100, 100)
    now = 0.0
    monkeypatch.setattr(cache, "_now", lambda: now)
    async with in_use(cache, ["mine"], "me", 30):
        now = STALE_S + 1
    await use_all(cache, "a b c d e f g h", "busy")
    assert "mine" in cache.dataset_ids


async def test_a_shared_dataset_counts_for_the_user_of_it_who_holds_least() -> None:
    """Who loaded it cannot drive it out, as long as somebody else uses it."""
    cache = DatasetCache(Loads(), 100, 100)
    await use_all(cache, "shared a b c", "them")
    await use(cache, "shared", user="me")
    await use_all(cache, "d e f g h i j k l m n o p q", "them")
    assert "shared" in cache.dataset_ids


async def test_who_uses_a_shared_dataset_too_gives_way_with_their_own_if_they_hold_more() -> None:
    cache = DatasetCache(Loads(), 100, 100)
    await use(cache, "shared", user="me")
    await use_all(cache, "a b c d e f", "them")
    await use(cache, "shared", user="them")
    await use_all(cache, "g h i j k", "them")
    assert "shared" in cache.dataset_ids


async def test_datasets_are_bounded_in_number_too() -> None:
    cache = DatasetCache(Loads(), 1000, 4)
    await use_all(cache, "mine", "me", 1)
    await use_all(cache, "a b c d e", "them", 1)
    assert cache.dataset_ids == ["mine", "c", "d", "e"]
    async with in_use(cache, ["d"], "them", 1), in_use(cache, ["e"], "her", 1):
        async with in_use(cache, ["f"], "him", 1), in_use(cache, ["mine"], "me", 1):
            with pytest.raises(NoRoom):
                await use(cache, "g", 1, "another")
        await use(cache, "g", 1, "another")


async def test_many_small_datasets_give_way_to_a_large_one_if_the_number_is_short() -> None:
    cache = DatasetCache(Loads(), 1000, 10)
    await use(cache, "large", 700, "me")
    await use_all(cache, "a b c d e f g h i", "them", 1)
    await use(cache, "mine", 1, "me")
    assert cache.dataset_ids == ["large", "b", "c", "d", "e", "f", "g", "h", "i", "mine"], "a tenth each"


async def test_what_is_charged_is_counted_back() -> None:
    loads = Loads(extra_bytes=5)
    cache = DatasetCache(loads, 100, 100)
    await use_all(cache, "a b c", "me")
    await use(cache, "a", user="them")
    await cache.evict("a")
    (await use(cache, "b", user="me")).alive = False
    loads.fail = True
    with pytest.raises(Exception, match="broken"):
        await use(cache, "b", user="me")
    assert (cache.used_bytes, dict(cache._held)) == (15, {"me": 15})
    await cache.close()
    assert (cache.used_bytes, dict(cache._held)) == (0, {})
