"""Images: files that hold a table as it lies in a block, so that the next load copies it and converts nothing.

    0       JSON on one page: which libraries it is of (``tag``), ``header_bytes``, ``header_hash`` (SHA-256),
            ``byte_count`` of the block
    4096    the header, then, at the next page, the block

Written and read behind walls, by processes of the dataset that it is of. An image of other libraries is of no use, and
is passed over.
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson

from runtime.sandbox.device_frames import DeviceFrames, Packing

LAYOUT: Final = 1
"""Of this file, and of how ``DeviceFrames.pack`` lays a table out. Another number leaves older images unused."""

_PAGE_BYTES: Final = 4096


def image_bytes(header_bytes: int, byte_count: int) -> int:
    """Size of the file for a header and a block of these sizes."""
    return _block_offset(header_bytes) + byte_count


def write_image(fd: int, header: bytes, block_fd: int, byte_count: int, frames: DeviceFrames) -> None:
    """Write a file that is as long as ``image_bytes`` says. Its front goes last, so half of one is none."""
    os.pwrite(fd, header, _PAGE_BYTES)
    frames.copy_out(block_fd, byte_count, fd, _block_offset(len(header)))
    told = {"header_bytes": len(header), "header_hash": sha256(header).hexdigest(), "byte_count": byte_count}
    front = orjson.dumps({"tag": _tag(frames), **told})
    os.pwrite(fd, front.ljust(_PAGE_BYTES), 0)


def packing_of(fd: int, frames: DeviceFrames) -> Packing | None:
    """What an image holds, on its way into a block; None where it is of other libraries, or not an image."""
    front = _front(os.pread(fd, _PAGE_BYTES, 0), _tag(frames))
    if front is None or os.fstat(fd).st_size != image_bytes(front.header_bytes, front.byte_count):
        return None
    header = os.pread(fd, front.header_bytes, _PAGE_BYTES)
    if sha256(header).hexdigest() != front.header_hash:
        return None
    offset = _block_offset(front.header_bytes)
    return Packing(header, front.byte_count, lambda block_fd: frames.copy_in(block_fd, front.byte_count, fd, offset))


@dataclass(frozen=True, slots=True)
class _Front:
    header_bytes: int
    header_hash: str
    byte_count: int


def _front(page: bytes, tag: str) -> _Front | None:
    try:
        told = orjson.loads(page)
        if told["tag"] != tag:
            return None
        return _Front(int(told["header_bytes"]), str(told["header_hash"]), int(told["byte_count"]))
    except (ValueError, KeyError, TypeError):
        return None


def _tag(frames: DeviceFrames) -> str:
    return f"layout {LAYOUT}, {frames.tag}"


def _block_offset(header_bytes: int) -> int:
    return _PAGE_BYTES + -(-header_bytes // _PAGE_BYTES) * _PAGE_BYTES
