"""The interface of a device for its owner: blocks of memory, each with a descriptor that other processes can map."""

from dataclasses import dataclass
from typing import Any, Protocol


class OutOfDeviceMemory(Exception):
    """The device has no room for a block. The caller may try again once there is room."""


class DriverFailed(Exception):
    """A call of the driver failed. The text names the call and its error."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Device memory that lives until its owner has released it and nobody maps it any more.

    Other processes map it by ``fd``. ``byte_count`` is the memory that it takes of the device.
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
    """One device. Every call may raise ``DriverFailed``. All calls are quick, and none needs a context."""

    granule_bytes: int
    """Unit to which sizes of blocks are rounded up."""

    def capacity(self) -> Capacity:
        """Return how much memory the device has, and how much of it is free."""

    def create(self, byte_count: int) -> Block:
        """Make a block of at least so many bytes. Raises ``OutOfDeviceMemory``."""

    def release(self, block: Block) -> None:
        """Release the owner's handle of a block, and close its descriptor."""

    def used_bytes(self, pid: int) -> int | None:
        """Return the device memory of a process that has a context; None if the device does not tell."""

    def close(self) -> None:
        """Release the device."""
