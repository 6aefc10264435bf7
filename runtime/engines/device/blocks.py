"""The blocks of one owner, and the budget that they count against.

A block that its dataset gave up lives on for as long as a run has it: it is counted until then, or a busy cache would
promise memory that the device does not have.
"""

import asyncio
import logging
from typing import Final

from runtime.engines.base import MakeRoom
from runtime.engines.device.driver import Block, Driver, OutOfDeviceMemory
from runtime.errors import Overloaded

log = logging.getLogger("graphside.engine")

RETRY_S: Final = 0.25
"""Between two attempts: a device has the memory of a process that was killed back only a while after its end."""

PATIENCE_S: Final = 10.0


class Blocks:
    """Makes blocks, and counts them until nobody has them any more. ``budget_bytes`` bounds them all together."""

    def __init__(self, driver: Driver, budget_bytes: int, patience_s: float = PATIENCE_S) -> None:
        self.driver = driver
        self.budget_bytes = budget_bytes
        self._patience_s = patience_s
        self._leases: dict[Block, int] = {}
        self._given_up: set[Block] = set()

    @property
    def used_bytes(self) -> int:
        """What all blocks take, those included that only runs still have."""
        return sum(block.byte_count for block in self._leases)

    @property
    def zombie_bytes(self) -> int:
        """What those take that only runs still have."""
        return sum(block.byte_count for block in self._given_up)

    def rounded(self, byte_count: int) -> int:
        """What a block of so many bytes takes."""
        granule = self.driver.granule_bytes
        return max(1, -(-byte_count // granule)) * granule

    async def create(self, byte_count: int, make_room: MakeRoom) -> Block:
        """A block, for which ``make_room`` is called as often as it helps. Raises ``Overloaded``, ``DriverFailed``."""
        deadline = asyncio.get_running_loop().time() + self._patience_s
        while True:
            if self.used_bytes + self.rounded(byte_count) <= self.budget_bytes:
                try:
                    block = self.driver.create(self.rounded(byte_count))
                except OutOfDeviceMemory:
                    log.warning("device.full wanted_bytes=%d used_bytes=%d", byte_count, self.used_bytes)
                else:
                    self._leases[block] = 0
                    return block
            if await make_room():
                continue
            if asyncio.get_running_loop().time() >= deadline:
                text = "the device's memory is in use by running tasks; try again later"
                raise Overloaded(text, retry_after_s=10)
            await asyncio.sleep(RETRY_S)

    def lease(self, block: Block) -> None:
        """A run has it from here on."""
        self._leases[block] += 1

    def end_lease(self, block: Block) -> None:
        """That run's process has ended."""
        self._leases[block] -= 1
        self._forget_unused(block)

    def give_up(self, block: Block) -> None:
        """Its dataset is gone. The device has it back once the last run that has it has ended."""
        self._given_up.add(block)
        self.driver.release(block)
        self._forget_unused(block)

    def _forget_unused(self, block: Block) -> None:
        if block in self._given_up and self._leases[block] == 0:
            self._given_up.discard(block)
            del self._leases[block]
