"""A device that a machine without one can have: host memory behind the interfaces of a GPU's.

What stands in for what: a memfd for a block of ``cuMemCreate``, ``mmap`` for the driver's map, pandas over Arrow for
cuDF. All around it is real: processes that are forked, walled in and killed, descriptors that travel, blocks that live
until nobody maps them. What only a GPU can show is in the tests marked ``gpu``.
"""

import ctypes
import mmap
import os
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from runtime.engines.device.driver import Block, Capacity, DriverFailed, OutOfDeviceMemory
from runtime.errors import DatasetUnreadable, RuntimeFailure, TaskCrashed, TaskMemoryExceeded
from runtime.sandbox.device_frames import Packing

MIB = 1024 * 1024


class DeviceFull(MemoryError):
    """What the twin's allocator raises past its limit."""


class BadAddress(RuntimeError):
    """What the twin's driver raises once its context is past use."""


@dataclass
class HostDriver:
    """The owner's calls. ``others_bytes``: what somebody else takes of the device; ``used``: bytes by pid."""

    total_bytes: int = 64 * MIB
    granule_bytes: int = 2 * MIB
    others_bytes: int = 0
    live: dict[int, int] = field(default_factory=dict)  # by descriptor: bytes
    used: dict[int, int] = field(default_factory=dict)
    fails: bool = False
    closed: bool = False

    def capacity(self) -> Capacity:
        taken = self.others_bytes + sum(self.live.values())
        return Capacity(self.total_bytes, self.total_bytes - taken)

    def create(self, byte_count: int) -> Block:
        if self.fails:
            raise DriverFailed("cuMemCreate answers CUDA_ERROR_DEVICE_UNAVAILABLE")
        byte_count = -(-byte_count // self.granule_bytes) * self.granule_bytes
        if byte_count > self.capacity().free_bytes:
            raise OutOfDeviceMemory("cuMemCreate answers CUDA_ERROR_OUT_OF_MEMORY")
        fd = os.memfd_create("block", os.MFD_CLOEXEC)
        os.ftruncate(fd, byte_count)
        self.live[fd] = byte_count
        return Block(fd, byte_count, None)

    def release(self, block: Block) -> None:
        del self.live[block.fd]
        os.close(block.fd)

    def used_bytes(self, pid: int) -> int | None:
        return self.used.get(pid, 0)

    def close(self) -> None:
        self.closed = True


def make() -> "HostFrames":
    return HostFrames()


class HostFrames:
    """What a seat and a loader do with the twin. A task finds it as ``twin`` in ``builtins``."""

    tag = "twin 1"

    def begin(self, limit_bytes: int) -> None:
        import builtins

        self._limit_bytes = limit_bytes
        builtins.twin = self  # type: ignore[attr-defined]

    def warm_up(self) -> None:
        """Nothing here is slower the first time."""

    def allocate(self, byte_count: int) -> bytearray:
        """As RMM would, within the limit."""
        if byte_count > self._limit_bytes:
            raise DeviceFull(f"{byte_count} bytes")
        return bytearray(byte_count)

    def from_arrow(self, table: pa.Table) -> pd.DataFrame:
        if any(pa.types.is_list(field.type) for field in table.schema):
            raise DatasetUnreadable("the twin cannot hold a column of lists; send the run with engine='pandas'")
        return table.to_pandas()

    def pack(self, frame: pd.DataFrame) -> Packing:
        content = pa.BufferOutputStream()
        table = pa.Table.from_pandas(frame, preserve_index=False)
        with pa.ipc.new_file(content, table.schema) as writer:
            writer.write_table(table)
        buffer = content.getvalue()

        def fill(fd: int) -> None:
            with mmap.mmap(fd, 0) as block:
                block[: len(buffer)] = buffer.to_pybytes()

        return Packing(len(buffer).to_bytes(8, "little"), len(buffer), fill)

    def attach(self, fd: int, byte_count: int, header: bytes) -> Any:
        content = pa.py_buffer(_mapped(fd, byte_count))[: int.from_bytes(header, "little")]
        return pa.ipc.open_file(pa.BufferReader(content)).read_all().to_pandas(split_blocks=True)

    def copy_in(self, block_fd: int, byte_count: int, file_fd: int, offset: int) -> None:
        with mmap.mmap(block_fd, 0) as block:
            if os.preadv(file_fd, [memoryview(block)[:byte_count]], offset) != byte_count:
                raise OSError("the file ends before the block does")

    def copy_out(self, block_fd: int, byte_count: int, file_fd: int, offset: int) -> None:
        os.pwrite(file_fd, _mapped(block_fd, byte_count), offset)

    def explain(self, error: BaseException) -> RuntimeFailure | None:
        if isinstance(error, DeviceFull):
            text = f"the task asked for more of the device's memory than its limit of {self._limit_bytes} bytes"
            return TaskMemoryExceeded(text, limit_name="device_bytes", limit=self._limit_bytes)
        if isinstance(error, BadAddress):
            return TaskCrashed("the task did something that the device does not survive in its process: a bad address")
        return None


def _mapped(fd: int, byte_count: int) -> Any:
    """A read-only view that keeps no descriptor, which ``mmap.mmap`` would."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    address = libc.mmap(None, byte_count, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    return (ctypes.c_char * byte_count).from_address(address)
