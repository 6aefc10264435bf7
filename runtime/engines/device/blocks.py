"""The blocks of one owner, and the budget that they count against.

A block that its dataset gave up lives on while a run has it, and counts until then. Otherwise a busy cache would
promise memory that the device does not have.
"""

import asyncio
import logging
from typing import Final

from runtime.engines.base import MakeRoom
from runtime.engines.device.driver import Block, Driver, DriverFailed, OutOfDeviceMemory
from runtime.errors import Overloaded

log = logging.getLogger("graphside.engine")

RETRY_S: Final = 0.25
"""Pause between two attempts. A device gets back the memory of a killed process only some time after its end."""

PATIENCE_S: Final = 10.0


class Blocks:
    """Makes blocks, and counts each until nobody has it any more. ``budget_bytes`` bounds their total."""

    def __init__(self, driver: Driver, budget_bytes: int, patience_s: float = PATIENCE_S) -> None:
        self.driver = driver
        self.budget_bytes = budget_bytes
        self._patience_s = patience_s
        self._leases: dict[Block, int] = {}
        self._given_up: set[Block] = set()

    @property
    def used_bytes(self) -> int:
        """Memory of all blocks, including those that only runs still have."""
        return sum(block.byte_count for block in self._leases)

    @property
    def granule_bytes(self) -> int:
        """Unit to which sizes of blocks are rounded up."""
        return self.driver.granule_bytes

    def process_bytes(self, pid: int) -> int | None:
        """Return the device memory of a process; None if the device does not tell."""
        try:
            return self.driver.used_bytes(pid)
        except DriverFailed:
            log.exception("device.untold pid=%d", pid)
            return None

    def rounded(self, byte_count: int) -> int:
        """Return the memory that a block of so many bytes takes."""
        return max(1, -(-byte_count // self.granule_bytes)) * self.granule_bytes

    async def create(self, byte_count: int, make_room: MakeRoom) -> Block:
        """Make a block, and call ``make_room`` as often as that helps. Raises ``Overloaded``, ``DriverFailed``."""
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
        """Note that one more process has the block."""
        self._leases[block] += 1

    def end_lease(self, block: Block) -> None:
        """Note that a process with a lease has ended."""
        self._leases[block] -= 1
        self._forget_unused(block)

    def give_up(self, block: Block) -> None:
        """Release a block of a closed dataset. The device frees its memory when the last process with a lease ends."""

        self._given_up.add(block)
        self.driver.release(block)
        self._forget_unused(block)

    def _forget_unused(self, block: Block) -> None:
        if block in self._given_up and self._leases[block] == 0:
            self._given_up.discard(block)
            del self._leases[block]
