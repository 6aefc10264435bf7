"""The operations on a GPU that only processes below the replica perform: contexts, frames, explaining errors.

The owner of a device, in the replica, never performs them. ``guest/device/cudf_frames.py`` implements them for NVIDIA.
Tests implement them over host memory, because all code around them is the same on any device.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Protocol, cast

import pyarrow as pa

from runtime.errors import RuntimeFailure

Frame = Any
"""A data frame in the device's memory. ``Any``, because its library need not be installed here."""


@dataclass(frozen=True, slots=True)
class Packing:
    """A frame that is ready to be copied into a block.

    ``fill`` copies it into the block of a descriptor; the block needs ``byte_count`` bytes. ``header`` describes the
    frame, for ``DeviceFrames.attach``.
    """

    header: bytes
    byte_count: int
    fill: Callable[[int], None]


class DeviceFrames(Protocol):
    """One device, as seen by a process that runs a task or loads a dataset. Made in the template, used after the fork.

    It touches the device only after ``begin``.
    """

    @property
    def tag(self) -> str:
        """The libraries, with their versions, that determine the layout of a frame in a block."""

    def begin(self, limit_bytes: int) -> None:
        """Make a context, and refuse allocations past ``limit_bytes``.

        This starts threads, so call it after the walls are up: threads inherit them.
        """

    def warm_up(self) -> None:
        """Use what most runs use once, so that no run waits for it to be loaded."""

    def from_arrow(self, table: pa.Table) -> Frame:
        """Convert a stored table to a frame in this process's own memory. Raises ``DatasetUnreadable``."""

    def pack(self, frame: Frame) -> Packing:
        """Compute the layout of the frame in a block."""

    def attach(self, fd: int, byte_count: int, header: bytes) -> Frame:
        """Return the frame in a block, without copying it. It is read-only: give tasks a shallow copy of it."""

    def copy_in(self, block_fd: int, byte_count: int, file_fd: int, offset: int) -> None:
        """Fill a block with ``byte_count`` bytes of a file. Raises ``OSError`` if the file has fewer."""

    def copy_out(self, block_fd: int, byte_count: int, file_fd: int, offset: int) -> None:
        """Write the content of a block to a file."""

    def explain(self, error: BaseException) -> RuntimeFailure | None:
        """Return the failure that tells the caller of a device's error; None if the error is no device's."""


def frames_of(module: str) -> DeviceFrames:
    """Import a module and call its ``make()``. This loads libraries and touches no device.

    ``module``: its name, or the path of its file.
    """

    if not module.endswith(".py"):
        return cast(DeviceFrames, import_module(module).make())
    spec = spec_from_file_location(Path(module).stem, module)
    assert spec is not None and spec.loader is not None
    loaded = module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return cast(DeviceFrames, loaded.make())
