"""A stand-in for the device in dry runs of the probe: blocks in memfds, frames of pandas.

It shows that the probe's own work is right: processes, descriptors, kills, books. Its numbers mean nothing, and it
refuses what it cannot imitate.
"""

import ctypes
import mmap
import os
import pickle
import resource
from typing import Any, Final

from tools.gpu.questions.machine import GIB, MIB, Block, Laps

_GRANULE: Final = 2 * MIB
_CAPACITY: Final = 4 * GIB


class NoTwin(Exception):
    """Only a device can answer this."""


class HostMachine:
    """Memory of this machine, with the device's granule."""

    def __init__(self) -> None:
        self._created = 0
        self._maps: dict[int, mmap.mmap] = {}
        self._kept: list[Any] = []
        self._spinning = False

    def start(self) -> None:
        pass

    def free_bytes(self) -> int:
        return _CAPACITY - self._created

    def used_by_process(self) -> dict[int, int | None]:
        return {}

    def create(self, size: int) -> Block:
        rounded = -(-size // _GRANULE) * _GRANULE
        if rounded > self.free_bytes():
            raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY")
        fd = os.memfd_create("block")
        os.ftruncate(fd, rounded)
        self._created += rounded
        return Block(fd, rounded, fd)

    def release(self, block: Block) -> None:
        os.close(block.fd)
        self._created -= block.size

    def make_ready(self, limit_bytes: int) -> dict[str, float]:
        laps = Laps()
        with laps("import_pandas"):
            import pandas  # noqa: F401
        with laps("limit"):
            has = int(open("/proc/self/statm").read().split()[0]) * mmap.PAGESIZE
            resource.setrlimit(resource.RLIMIT_AS, (has + limit_bytes, resource.RLIM_INFINITY))
        return laps.ms

    def attach(self, fd: int, size: int, *, write: bool) -> tuple[int, dict[str, float]]:
        laps = Laps()
        with laps("map"):
            mapped = mmap.mmap(fd, size, prot=mmap.PROT_READ | (mmap.PROT_WRITE if write else 0))
        os.close(fd)
        import numpy as np

        address = int(np.frombuffer(mapped, "u1").ctypes.data)
        self._maps[address] = mapped
        return address, laps.ms

    def allow(self, address: int, size: int, *, write: bool) -> None:
        raise NoTwin("memfds are sealed, blocks are not")

    def detach(self, address: int, size: int) -> None:
        self._maps.pop(address).close()

    def fill(self, address: int, size: int) -> None:
        ctypes.memset(address, 1, size)

    def wait(self) -> None:
        while self._spinning:
            pass

    def spin(self) -> None:
        self._spinning = True

    def make(self, rows: int) -> Any:
        import numpy as np
        import pandas as pd

        random = np.random.default_rng(1)
        return pd.DataFrame({"src": random.integers(0, 1 << 20, rows), "w": random.random(rows)})

    def pack(self, frame: Any) -> tuple[bytes, list[tuple[int, int]]]:
        import numpy as np

        buffers: list[pickle.PickleBuffer] = []
        header = pickle.dumps(frame, protocol=5, buffer_callback=buffers.append)
        self._kept = [np.frombuffer(buffer.raw(), "u1") for buffer in buffers]
        return header, [(int(array.ctypes.data), int(array.nbytes)) for array in self._kept]

    def copy(self, source: int, target: int, size: int) -> None:
        ctypes.memmove(target, source, size)

    def rebuild(self, header: bytes, spans: tuple[tuple[int, int], ...], address: int) -> Any:
        views = [(ctypes.c_char * size).from_address(address + offset) for offset, size in spans]
        return pickle.loads(header, buffers=views)

    def take_too_much(self, size: int) -> None:
        bytearray(size)

    def allocated_bytes(self) -> int | None:
        return None
