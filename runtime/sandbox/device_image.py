"""The file format of images. An image holds a table as it lies in a block, so that the next load copies it to the
device and converts nothing.

    0       one page of JSON: ``tag`` (the libraries that made the layout), ``header_bytes``, ``header_hash`` (SHA-256),
            ``byte_count`` of the block
    4096    the header, then, from the next page on, the block

Walled processes of one dataset write and read its images. A reader ignores an image that other libraries made.
"""

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import orjson

from runtime.sandbox.device_frames import DeviceFrames, Packing

LAYOUT: Final = 1
"""Version of this format and of the layout that ``DeviceFrames.pack`` makes. A new number makes older images unused."""

_PAGE_BYTES: Final = 4096


def image_bytes(header_bytes: int, byte_count: int) -> int:
    """Return the size of an image whose header and block have these sizes."""
    return _block_offset(header_bytes) + byte_count


def write_image(fd: int, header: bytes, block_fd: int, byte_count: int, frames: DeviceFrames) -> None:
    """Write an image into a file that is ``image_bytes`` long. The first page goes last, so a partial image is none."""
    os.pwrite(fd, header, _PAGE_BYTES)
    frames.copy_out(block_fd, byte_count, fd, _block_offset(len(header)))
    sizes = {"header_bytes": len(header), "header_hash": sha256(header).hexdigest(), "byte_count": byte_count}
    front = orjson.dumps({"tag": _tag(frames), **sizes})
    os.pwrite(fd, front.ljust(_PAGE_BYTES), 0)


def packing_of(fd: int, frames: DeviceFrames) -> Packing | None:
    """Return the table of an image, ready to be copied into a block; None if the file is no image that fits here."""
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
        front = orjson.loads(page)
        if front["tag"] != tag:
            return None
        return _Front(int(front["header_bytes"]), str(front["header_hash"]), int(front["byte_count"]))

    except (ValueError, KeyError, TypeError):
        return None


def _tag(frames: DeviceFrames) -> str:
    return f"layout {LAYOUT}, {frames.tag}"


def _block_offset(header_bytes: int) -> int:
    return _PAGE_BYTES + -(-header_bytes // _PAGE_BYTES) * _PAGE_BYTES
