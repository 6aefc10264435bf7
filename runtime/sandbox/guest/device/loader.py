"""Two processes between stored tables and a device. A loader brings tables into blocks of the owner; an imager writes
the image of a block. Each ends when its work is done. Only a loader ever maps a block for writing.
"""

import mmap
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import pyarrow as pa

from runtime.errors import DatasetUnreadable
from runtime.sandbox.device_frames import DeviceFrames
from runtime.sandbox.device_image import packing_of, write_image
from runtime.sandbox.guest import confine
from runtime.sandbox.guest.device.process import begin, failure_of, go_first
from runtime.sandbox.protocol import Message, recv_frame_and_fds, send_frame
from runtime.sandbox.walls import identity
from runtime.sandbox.walls.enclosure import Enclosure

CHANNEL_FD: Final = 3
_NICENESS: Final = 5


def be_loader(
    fds: list[int], message: Message, enclosure: Enclosure, frames: DeviceFrames, *, parent_pid: int
) -> NoReturn:
    """Make a context and report ``warm``. Then take the tables of a dataset, and for each: report its size, get a block
    and a file for the header, and fill both.

    ``fds`` become 0-2, 3 (channel). ``message``: ``open_files``, ``file_bytes``, ``device_bytes``, ``uid``.
    """
    channel = _enter(fds, message, enclosure, parent_pid)
    begin(frames, message["device_bytes"], CHANNEL_FD)
    send_frame(CHANNEL_FD, {"event": "warm"})
    with _reported_failures(frames):
        received = recv_frame_and_fds(channel)
        if received is None:
            os._exit(0)
        started = time.perf_counter()
        _load_all(*received, channel, frames)
    send_frame(CHANNEL_FD, {"event": "loaded", "load_s": time.perf_counter() - started})
    os._exit(0)


def be_imager(
    fds: list[int], message: Message, enclosure: Enclosure, frames: DeviceFrames, *, parent_pid: int
) -> NoReturn:
    """Write the image of a block.

    ``fds`` become 0-2, 3 (channel), 4 (block), 5 (its header), 6 (the file, which has its final length). ``message``:
    as for a loader, and ``header_bytes``, ``byte_count``.
    """
    _channel = _enter(fds, message, enclosure, parent_pid)  # a reference, because Python would close it otherwise
    begin(frames, message["device_bytes"], CHANNEL_FD)
    block_fd, header_fd, image_fd = range(CHANNEL_FD + 1, len(fds))
    with _reported_failures(frames):
        header = os.pread(header_fd, message["header_bytes"], 0)
        write_image(image_fd, header, block_fd, message["byte_count"], frames)
    send_frame(CHANNEL_FD, {"event": "written"})
    os._exit(0)


def _enter(fds: list[int], message: Message, enclosure: Enclosure, parent_pid: int) -> socket.socket:
    """Put up the walls of a process that runs no task. Return its channel, which Python can only make before that."""
    go_first(parent_pid)
    confine.take_fds(fds)
    confine.raise_walls(open_files=message["open_files"], file_bytes=message["file_bytes"])
    os.nice(_NICENESS)
    channel = socket.socket(fileno=CHANNEL_FD)
    if message.get("uid") is not None:
        identity.become(int(message["uid"]))
        confine.die_with_parent(parent_pid)
    enclosure.job()
    return channel


@contextmanager
def _reported_failures(frames: DeviceFrames) -> Iterator[None]:
    """Report a failure, and end this process."""
    try:
        yield
    except Exception as error:  # a boundary: libraries of a device may raise anything
        send_frame(CHANNEL_FD, {"event": "failed", "failure": failure_of(error, frames).to_wire()})
        os._exit(1)


def _load_all(message: Message, fds: list[int], channel: socket.socket, frames: DeviceFrames) -> None:
    """``fds``: the tables, then the images. ``message["images"]`` says for each table whether it has an image.

    For each table, the replica then sends descriptors of a block and of a file for the header.
    """
    has_image = message["images"]
    images = iter(fds[len(has_image) :])
    for table_fd, has_one in zip(fds, has_image, strict=False):
        _load(table_fd, next(images) if has_one else None, channel, frames)


def _load(table_fd: int, image_fd: int | None, channel: socket.socket, frames: DeviceFrames) -> None:
    image = None if image_fd is None else packing_of(image_fd, frames)
    packing = image or frames.pack(frames.from_arrow(_table(table_fd)))
    send_frame(CHANNEL_FD, {
        "event": "packed", "byte_count": packing.byte_count, "header_bytes": len(packing.header),
        "from_image": image is not None,
    })  # fmt: skip
    received = recv_frame_and_fds(channel)
    if received is None:
        os._exit(0)
    block_fd, header_fd = received[1]
    packing.fill(block_fd)
    os.pwrite(header_fd, packing.header, 0)
    os.close(block_fd)
    os.close(header_fd)
    send_frame(CHANNEL_FD, {"event": "filled"})


def _table(fd: int) -> pa.Table:
    """Map a stored table."""
    try:
        file = pa.py_buffer(mmap.mmap(fd, 0, access=mmap.ACCESS_READ))  # not by path, which the walls forbid

        return pa.ipc.open_file(pa.BufferReader(file)).read_all()
    except (pa.ArrowException, ValueError) as error:
        raise DatasetUnreadable.by_table(error) from error
