"""The owner's side of the GPU engine over a device of host memory: rounding, budget, a full device, runs that outlive
their dataset, descriptors, error codes."""

import asyncio
import os
from typing import Any

import pyarrow as pa
import pytest

from runtime.engines.device.blocks import Blocks
from runtime.engines.device.budget import CONTEXT_BYTES, SLACK_BYTES, DeviceSettings, budget_bytes
from runtime.errors import DatasetUnreadable, EngineUnavailable, Overloaded, RunInterrupted
from tests.gpu import no_device
from tests.gpu.twin import MIB, HostDriver
from tests.unit.engines.conftest import SEAT_BYTES, DeviceRig, MakeDeviceRig
from tests.unit.sandbox.conftest import answer
from tests.waiting import WITHIN_S, eventually

COUNT = "def task(g): return len(g._edges)"
GIB = 1024 * MIB


async def nothing_goes() -> bool:
    return False


@pytest.mark.anyio
class TestBlocks:
    async def test_a_block_takes_whole_granules(self) -> None:
        blocks = Blocks(HostDriver(), 64 * MIB)
        made = [await blocks.create(byte_count, nothing_goes) for byte_count in (0, 1, 2 * MIB, 2 * MIB + 1)]
        assert [block.byte_count // MIB for block in made] == [2, 2, 2, 4]
        assert blocks.used_bytes == 10 * MIB

    async def test_past_the_budget_room_is_made_first(self) -> None:
        driver = HostDriver()
        blocks = Blocks(driver, 4 * MIB)
        kept = [await blocks.create(MIB, nothing_goes) for _ in range(2)]

        async def oldest_goes() -> bool:
            blocks.give_up(kept.pop(0))
            return True

        await blocks.create(MIB, oldest_goes)
        assert (len(kept), blocks.used_bytes, len(driver.live)) == (1, 4 * MIB, 2)

    async def test_a_full_device_is_asked_again_once_room_was_made(self) -> None:
        driver = HostDriver(total_bytes=8 * MIB, others_bytes=7 * MIB)
        blocks = Blocks(driver, 64 * MIB)

        async def somebody_else_goes() -> bool:
            driver.others_bytes = 0
            return True

        assert (await blocks.create(MIB, somebody_else_goes)).byte_count == 2 * MIB

    async def test_a_full_device_is_waited_for_since_memory_of_the_killed_comes_back_late(self) -> None:
        driver = HostDriver(total_bytes=8 * MIB, others_bytes=7 * MIB)
        blocks = Blocks(driver, 64 * MIB)
        asyncio.get_running_loop().call_later(0.1, setattr, driver, "others_bytes", 0)
        assert (await blocks.create(MIB, nothing_goes)).byte_count == 2 * MIB

    async def test_one_that_stays_full_is_overloaded(self) -> None:
        blocks = Blocks(HostDriver(total_bytes=MIB), 64 * MIB, patience_s=0.1)
        with pytest.raises(Overloaded) as caught:
            await blocks.create(MIB, nothing_goes)
        assert caught.value.fields["retry_after_s"] > 0

    async def test_what_a_run_still_has_counts_until_it_ends(self) -> None:
        driver = HostDriver()
        blocks = Blocks(driver, 64 * MIB)
        block = await blocks.create(MIB, nothing_goes)
        blocks.lease(block)
        blocks.give_up(block)
        assert (blocks.used_bytes, driver.live) == (2 * MIB, {})
        blocks.end_lease(block)
        assert blocks.used_bytes == 0


def budget(driver: HostDriver, cache_bytes: int | None = None, **device: Any) -> int:
    return budget_bytes(driver, DeviceSettings(cache_bytes=cache_bytes, **device))


class TestBudget:
    def test_it_is_what_contexts_and_runs_leave(self) -> None:
        found = budget(HostDriver(total_bytes=80 * GIB), seat_bytes=6 * GIB, seats=4, spares=2)
        assert found == 80 * GIB - 8 * CONTEXT_BYTES - 24 * GIB - SLACK_BYTES

    def test_a_share_of_the_device_has_a_share_of_it(self) -> None:
        found = budget(HostDriver(total_bytes=80 * GIB), seat_bytes=GIB, seats=2, spares=1, share=0.5)
        assert found == 40 * GIB - 5 * CONTEXT_BYTES - 2 * GIB - SLACK_BYTES

    def test_memory_of_others_is_not_planned_with(self) -> None:
        driver = HostDriver(total_bytes=80 * GIB, others_bytes=60 * GIB)
        assert budget(driver, seat_bytes=GIB, seats=2, spares=1) < 20 * GIB

    def test_what_is_asked_for_is_rounded_down(self) -> None:
        assert budget(HostDriver(total_bytes=80 * GIB), GIB + 1, seat_bytes=GIB, seats=2, spares=1) == GIB

    @pytest.mark.parametrize("cache_bytes", [None, 90 * GIB])
    def test_a_device_without_room_is_no_engine(self, cache_bytes: int | None) -> None:
        with pytest.raises(EngineUnavailable, match="seat_bytes"):
            budget(HostDriver(total_bytes=16 * GIB), cache_bytes, seat_bytes=6 * GIB, seats=4, spares=2)


class TestDatasets:
    def test_the_least_recently_used_makes_room(self, device_rig: DeviceRig) -> None:
        first, *others = (device_rig.rig.dataset() for _ in range(4))
        for source in (first, *others):
            assert answer(device_rig.rig.run(source, COUNT)) == 3
        held = device_rig.rig.executor.cache.dataset_ids
        assert (first.dataset_id in held, len(held), len(device_rig.driver.live)) == (False, 3, 3)

    def test_a_device_that_others_fill_makes_it_go_too(self, device_rig: DeviceRig) -> None:
        first, second = device_rig.rig.dataset(), device_rig.rig.dataset()
        assert answer(device_rig.rig.run(first, COUNT)) == 3
        device_rig.driver.others_bytes = device_rig.driver.total_bytes - 2 * MIB
        assert answer(device_rig.rig.run(second, COUNT)) == 3
        assert device_rig.rig.executor.cache.dataset_ids == [second.dataset_id]

    def test_a_dataset_costs_what_its_blocks_take(self, device_rig: DeviceRig) -> None:
        device_rig.rig.run(device_rig.rig.dataset(), COUNT)
        assert device_rig.rig.executor.cache.used_bytes == 2 * MIB

    def test_a_run_that_outlives_its_dataset_has_it_to_its_end(self, device_rig: DeviceRig) -> None:
        rig, source = device_rig.rig, device_rig.rig.dataset()
        run = rig.begin(source, "import time\ndef task(g):\n    time.sleep(0.5)\n    return len(g._edges)")
        eventually(lambda: rig.executor.cache.dataset_ids)
        rig.wait(rig.executor.evict(source.dataset_id))
        assert answer(run.result(WITHIN_S)[0]) == 3
        eventually(lambda: not device_rig.driver.live and not device_rig.engine.blocks.used_bytes)

    def test_a_driver_that_fails_is_an_error_and_leaves_nothing(self, device_rig: DeviceRig) -> None:
        device_rig.driver.fails = True
        with pytest.raises(RunInterrupted):
            device_rig.rig.run(device_rig.rig.dataset(), COUNT)
        assert (device_rig.driver.live, device_rig.rig.executor.cache.dataset_ids) == ({}, [])
        device_rig.driver.fails = False
        assert answer(device_rig.rig.run(device_rig.rig.dataset(), COUNT)) == 3

    def test_a_table_that_the_device_cannot_hold_says_what_to_do(self, device_rig: DeviceRig) -> None:
        lists = pa.table({"s": [1], "d": [2], "l": pa.array([[1]])})
        with pytest.raises(DatasetUnreadable, match="engine='pandas'"):
            device_rig.rig.run(device_rig.rig.dataset(lists), COUNT)
        assert device_rig.driver.live == {}


def test_a_device_that_cannot_be_used_is_no_engine_and_its_reason_is_not_told(
    make_device_rig: MakeDeviceRig,
) -> None:
    device_rig = make_device_rig(cache_bytes=6 * MIB, frames=no_device)
    with pytest.raises(EngineUnavailable, match='engine="pandas"') as caught:
        device_rig.rig.run(device_rig.rig.dataset(), COUNT)
    assert "secret" not in caught.value.message
    assert device_rig.driver.live == {}


class TestSeats:
    def test_one_waits_before_anybody_asks(self, device_rig: DeviceRig) -> None:
        eventually(lambda: len(device_rig.engine.seats.pids) == 1)

    def test_one_that_was_killed_while_it_waited_is_replaced_unseen(self, device_rig: DeviceRig) -> None:
        eventually(lambda: len(device_rig.engine.seats.pids) == 1)
        os.kill(device_rig.engine.seats.pids[0], 9)
        assert answer(device_rig.rig.run(device_rig.rig.dataset(), COUNT)) == 3

    @pytest.mark.parametrize("killed", [False, True])
    def test_a_loader_waits_too_and_is_replaced_unseen(self, device_rig: DeviceRig, killed: bool) -> None:
        loaders = device_rig.engine.loaders
        eventually(lambda: len(loaders.pids) == 1)
        waiting = loaders.pids
        if killed:
            os.kill(waiting[0], 9)
        assert answer(device_rig.rig.run(device_rig.rig.dataset(), COUNT)) == 3
        eventually(lambda: len(loaders.pids) == 1 and loaders.pids != waiting)

    def test_a_killed_template_is_replaced_and_datasets_stay(self, device_rig: DeviceRig) -> None:
        source = device_rig.rig.dataset()
        assert answer(device_rig.rig.run(source, COUNT)) == 3
        loads = device_rig.rig.executor.cache.counts.loads
        pid = device_rig.rig.template.pid
        assert pid is not None
        os.kill(pid, 9)
        assert answer(device_rig.rig.run(source, COUNT)) == 3
        assert device_rig.rig.executor.cache.counts.loads == loads

    def test_it_has_the_blocks_of_its_own_dataset_and_nobody_elses(self, device_rig: DeviceRig) -> None:
        code = """
import os
def task(g):
    kinds = []
    for fd in range(3, 64):
        try:
            kinds.append(os.fstat(fd).st_size)
        except OSError:
            pass
    maps = [line.split()[5:] for line in open('/proc/self/maps') if 'memfd:block' in line]
    return [sorted(kinds), len(maps)]
"""
        for _ in range(2):
            device_rig.rig.run(device_rig.rig.dataset(), COUNT)
        sizes, mapped = answer(device_rig.rig.run(device_rig.rig.dataset(), code))
        assert mapped == 1
        assert 2 * MIB not in sizes  # the block's descriptor is closed once it is mapped

    def test_past_its_limit_of_the_device_a_run_is_told_so(self, device_rig: DeviceRig) -> None:
        code = "import builtins\ndef task(g): builtins.twin.allocate(5 << 20)"
        failure = device_rig.rig.run(device_rig.rig.dataset(), code).failure
        assert failure is not None
        assert (failure.type, failure.fields["limit_name"], failure.fields["limit"]) == (
            "TaskMemoryExceeded", "device_bytes", SEAT_BYTES,
        )  # fmt: skip

    def test_what_no_allocator_refuses_the_watch_sees(self, device_rig: DeviceRig) -> None:
        rig, source = device_rig.rig, device_rig.rig.dataset()
        run = rig.begin(source, "def task(g):\n    while True: pass")
        seat: Any = eventually(lambda: next((one.seat for one in rig.executor._runs.values()), None))
        device_rig.driver.used[seat.pid] = 1 << 30
        failure = run.result(WITHIN_S)[0].failure
        assert failure is not None
        assert (failure.type, failure.fields["observed"]) == ("TaskMemoryExceeded", 1 << 30)

    def test_nothing_of_a_rig_is_left(self, make_device_rig: MakeDeviceRig) -> None:
        device_rig = make_device_rig(cache_bytes=6 * MIB)
        device_rig.rig.run(device_rig.rig.dataset(), COUNT)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            device_rig.rig.run(device_rig.rig.dataset(), COUNT)
        eventually(lambda: len(os.listdir("/proc/self/fd")) <= before + 8)
        device_rig.rig.wait(device_rig.engine.close())
        assert device_rig.driver.closed
        eventually(lambda: not device_rig.rig.scratch_dirs())
