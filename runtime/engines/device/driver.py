"""What an owner asks of a device: blocks of its memory, each a descriptor that other processes can map."""

from dataclasses import dataclass
from typing import Any, Protocol


class OutOfDeviceMemory(Exception):
    """The device has no room for a block. Nothing is broken by it: with less in the way it may be asked again."""


class DriverFailed(Exception):
    """A call of the driver failed. The text names the call and its error."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Device memory that lives until its owner has released it and nobody maps it any more.

    ``fd`` stands for it in other processes, which may map it. ``byte_count`` is what it takes of the device.
    """

    fd: int
    byte_count: int
    handle: Any  # the driver's own


@dataclass(frozen=True, slots=True)
class Capacity:
    """Memory of a device, in bytes."""

    total_bytes: int
    free_bytes: int


class Driver(Protocol):
    """One device. Every call may raise ``DriverFailed``; all are quick, and none needs a context."""

    granule_bytes: int
    """What blocks are rounded up to."""

    def capacity(self) -> Capacity:
        """How much memory the device has, and how much of it nobody uses."""

    def create(self, byte_count: int) -> Block:
        """A block of at least so many bytes. Raises ``OutOfDeviceMemory``."""

    def release(self, block: Block) -> None:
        """Give up the owner's hold on a block, and its descriptor."""

    def used_bytes(self, pid: int) -> int | None:
        """What a process that has a context takes of the device; None where the device does not tell."""

    def close(self) -> None:
        """Let go of the device."""
