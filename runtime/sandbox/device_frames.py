"""What a process below the replica does with a device: a context, frames in its memory, what its errors mean.

The owner of a device never does any of it. ``cudf_frames.py`` is the one for NVIDIA's; tests have a twin over host
memory, since everything around it is the same on any device.
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
"""A data frame in the device's memory. Its library has no types here."""


@dataclass(frozen=True, slots=True)
class Packing:
    """A frame on its way into a block: ``fill`` copies it into the block of that descriptor, which takes
    ``byte_count`` bytes. ``header`` is what ``attach`` needs to know of it."""

    header: bytes
    byte_count: int
    fill: Callable[[int], None]


class DeviceFrames(Protocol):
    """One device, in a process that runs a task or loads a dataset. Made in the template, used after the fork."""

    @property
    def tag(self) -> str:
        """The libraries on which it depends how a frame lies in a block, with their versions."""

    def begin(self, limit_bytes: int) -> None:
        """Have a context, and refuse allocations past ``limit_bytes``.

        Starts threads, so it comes after the walls, which they inherit.
        """

    def warm_up(self) -> None:
        """Take the first passes through what runs use, before somebody waits for them."""

    def from_arrow(self, table: pa.Table) -> Frame:
        """The frame of a stored table, in memory of this process's own. Raises ``DatasetUnreadable``."""

    def pack(self, frame: Frame) -> Packing:
        """How the frame lies in a block."""

    def attach(self, fd: int, byte_count: int, header: bytes) -> Frame:
        """The frame over a block, not copied and not to be written: give tasks a shallow copy, and keep this one."""

    def copy_in(self, block_fd: int, byte_count: int, file_fd: int, offset: int) -> None:
        """Fill a block with bytes of a file. Raises ``OSError`` where it has not as many."""

    def copy_out(self, block_fd: int, byte_count: int, file_fd: int, offset: int) -> None:
        """Write what a block holds to a file."""

    def explain(self, error: BaseException) -> RuntimeFailure | None:
        """What to say of an error that comes of the device; None for others."""


def frames_of(module: str) -> DeviceFrames:
    """The device that a module's ``make()`` gives. Importing it loads libraries, and touches no device.

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
