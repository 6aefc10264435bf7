"""The interface that the probe needs of a device and a frame library.

``device.py`` has both; ``host.py`` imitates both.
"""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

MIB = 1 << 20
GIB = 1 << 30
ALIGNED = 256
"""Buffers of a frame begin at multiples of this within their block."""


@dataclass(frozen=True, slots=True)
class Block:
    """Memory of the owner. ``size`` is rounded up to the device's granule. Other processes map it by ``fd``."""

    handle: Any  # Any: the driver's own type
    size: int
    fd: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A frame in a block: a header for the library, and the place of each buffer. ``total`` checks it."""

    header: bytes
    spans: tuple[tuple[int, int], ...]
    total: float

    def to_json(self) -> dict[str, Any]:
        return {"header": base64.b64encode(self.header).decode(), "spans": self.spans, "total": self.total}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Packed":
        spans = tuple((int(offset), int(size)) for offset, size in data["spans"])
        return cls(base64.b64decode(data["header"]), spans, float(data["total"]))

    def is_right(self, total: float) -> bool:
        return abs(total - self.total) <= 1e-9 * abs(self.total)


class Machine(Protocol):
    """A machine. The first five methods are for the owner, which has no context; the others need a context."""

    def start(self) -> None: ...
    def free_bytes(self) -> int: ...
    def used_by_process(self) -> dict[int, int | None]: ...
    def create(self, size: int) -> Block: ...
    def release(self, block: Block) -> None: ...

    def make_ready(self, limit_bytes: int) -> dict[str, float]: ...
    def attach(self, fd: int, size: int, *, write: bool) -> tuple[int, dict[str, float]]: ...
    def allow(self, address: int, size: int, *, write: bool) -> None: ...
    def detach(self, address: int, size: int) -> None: ...
    def fill(self, address: int, size: int) -> None: ...
    def wait(self) -> None: ...
    def spin(self) -> None: ...

    def make(self, rows: int) -> Any: ...
    def pack(self, frame: Any) -> tuple[bytes, list[tuple[int, int]]]: ...
    def copy(self, source: int, target: int, size: int) -> None: ...
    def rebuild(self, header: bytes, spans: tuple[tuple[int, int], ...], address: int) -> Any: ...
    def take_too_much(self, size: int) -> None: ...
    def allocated_bytes(self) -> int | None: ...


@dataclass(slots=True)
class Laps:
    """Milliseconds by name, in the order in which they were taken."""

    ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.ms[f"{name}_ms"] = round(1000 * (time.perf_counter() - began), 3)


def gb_per_s(byte_count: int, ms: float) -> float | None:
    """Return the rate, or None if it was too fast to measure."""
    return round(byte_count / ms / 1e6, 2) if ms > 0 else None


def told(error: BaseException) -> str:
    """Return an error as answers carry it."""
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}: {str(error)[:400]}"
