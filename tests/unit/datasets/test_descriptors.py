"""Descriptors are closed, whatever becomes of whoever wanted them."""

import asyncio
import os
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from runtime.datasets.store.descriptors import opened
from runtime.datasets.store.local import LocalStore
from runtime.errors import DatasetUnreadable
from tests.waiting import WITHIN_S

pytestmark = pytest.mark.anyio


class SlowStore(LocalStore):
    """Opens when it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.prepare()
        self.asked, self.may_open = threading.Event(), threading.Event()
        self.opened: list[int] = []

    def new(self) -> str:
        path, object_id = self.incoming(), uuid4().hex
        path.write_bytes(b"table")
        self.commit(path, object_id)
        return object_id

    def open_object(self, object_id: str) -> int:
        self.asked.set()
        assert self.may_open.wait(WITHIN_S)
        self.opened.append(super().open_object(object_id))
        return self.opened[-1]


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.fixture
def store(tmp_path: Path) -> SlowStore:
    return SlowStore(tmp_path)


async def test_they_come_in_order_and_close_with_the_block(store: SlowStore) -> None:
    ids = [store.new(), store.new()]
    store.may_open.set()
    async with opened(store, ids) as descriptors:
        assert descriptors == store.opened
        assert all(is_open(descriptor) for descriptor in descriptors)
    assert len(store.opened) == 2
    assert not any(is_open(descriptor) for descriptor in store.opened)


async def test_no_other_work_in_threads_keeps_a_table_from_being_opened(store: SlowStore) -> None:
    """Such as scratch directories of other users, which take long to remove."""
    done = threading.Event()
    others = [asyncio.create_task(asyncio.to_thread(done.wait)) for _ in range(64)]
    try:
        store.may_open.set()
        async with asyncio.timeout(60), opened(store, [store.new()]) as descriptors:
            assert is_open(*descriptors)
    finally:
        done.set()
        await asyncio.gather(*others)


async def test_where_one_is_missing_the_others_close(store: SlowStore) -> None:
    store.may_open.set()
    with pytest.raises(DatasetUnreadable):
        async with opened(store, [store.new(), "0" * 32]):
            raise AssertionError("it is missing")
    assert not any(is_open(descriptor) for descriptor in store.opened)


async def test_what_opens_after_its_caller_has_gone_is_closed(store: SlowStore) -> None:
    async def use() -> None:
        async with opened(store, [store.new()]):
            raise AssertionError("it was cancelled")

    task = asyncio.create_task(use())
    await asyncio.to_thread(store.asked.wait, WITHIN_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.may_open.set()
    async with asyncio.timeout(WITHIN_S):
        while not store.opened or is_open(store.opened[0]):
            await asyncio.sleep(0.01)
    assert len(store.opened) == 1
