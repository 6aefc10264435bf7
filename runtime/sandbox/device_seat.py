"""Processes that have a device: a seat waits with a context and gets its dataset when a run needs it; a loader brings
a stored table into blocks of the owner's, and ends.

Both are forked from a template that has the libraries and never touched the device, since a context does not survive
a fork; so each makes one of its own, behind its walls. A seat maps blocks read-only.
"""

import gc
import mmap
import os
import socket
import time
from typing import Any, Final, NoReturn

import orjson
import pyarrow as pa

from runtime.datasets.plottable import build_plottable, fresh_copy
from runtime.errors import DatasetTooLarge, DatasetUnreadable, RuntimeFailure
from runtime.sandbox import confine, interior, seat
from runtime.sandbox.device_frames import DeviceFrames
from runtime.sandbox.protocol import Message, ProtocolError, recv_frame_and_fds, send_frame
from runtime.sandbox.walls import identity
from runtime.sandbox.walls.enclosure import Enclosure
from runtime.text import legal_text

LOADER_CHANNEL_FD: Final = 3
FIRST_TABLE_FD: Final = 4
_NICENESS: Final = 5


def be_seat(
    fds: list[int], message: Message, enclosure: Enclosure, frames: DeviceFrames, *, parent_pid: int
) -> NoReturn:
    """Wall in, make a context, say ``warm``; take a dataset, say ``attached``; then serve like any seat.

    ``fds`` are a seat's. ``message``: ``uid``, ``threads``, ``open_files``, ``file_bytes``, ``device_bytes``.
    """
    _go_first(parent_pid)
    confine.take_fds(fds)
    confine.raise_walls(open_files=message["open_files"], file_bytes=message["file_bytes"])
    interior.furnish()
    interior.reseed()
    channel = socket.socket(fileno=seat.CHANNEL_FD)  # before the walls: it asks what kind of socket it is
    walled = list(range(len(fds)))
    seat.enter(walled, enclosure, parent_pid=parent_pid, uid=message.get("uid"), threads=message["threads"])
    _begin(frames, message["device_bytes"], seat.CHANNEL_FD)
    send_frame(seat.CHANNEL_FD, {"event": "warm"})
    try:
        received = recv_frame_and_fds(channel)
        if received is None:
            os._exit(0)
        base = _attached(*received, frames)
    except Exception as error:  # a boundary: no run has begun, and the replica is to know why none can
        send_frame(seat.CHANNEL_FD, {"event": "failed", "failure": _failure(error, frames).to_wire()})
        os._exit(1)
    gc.collect()
    gc.freeze()
    send_frame(seat.CHANNEL_FD, {"event": "attached"})
    # A frame that is written to is copied first only while another one shares its columns: the base is that one.
    seat.serve(lambda: fresh_copy(base), None, frames.explain)


def be_loader(
    fds: list[int], message: Message, enclosure: Enclosure, frames: DeviceFrames, *, parent_pid: int
) -> NoReturn:
    """Bring tables into blocks, one after the other: tell the size of each, get a block, fill it, hand in its header.

    ``fds`` become 0-2, 3 (channel), then the tables. Of each block the replica sends its descriptor and that of a file
    for the header. ``message``: ``open_files``, ``file_bytes``, ``device_bytes``, ``uid``.
    """
    _go_first(parent_pid)
    confine.take_fds(fds)
    confine.raise_walls(open_files=message["open_files"], file_bytes=message["file_bytes"])
    os.nice(_NICENESS)
    channel = socket.socket(fileno=LOADER_CHANNEL_FD)
    if message.get("uid") is not None:
        identity.become(int(message["uid"]))
        confine.die_with_parent(parent_pid)
    enclosure.job()
    started = time.perf_counter()
    _begin(frames, message["device_bytes"], LOADER_CHANNEL_FD)
    try:
        for index in range(len(fds) - FIRST_TABLE_FD):
            _load(FIRST_TABLE_FD + index, channel, frames)
    except Exception as error:
        send_frame(LOADER_CHANNEL_FD, {"event": "failed", "failure": _failure(error, frames).to_wire()})
        os._exit(1)
    send_frame(LOADER_CHANNEL_FD, {"event": "loaded", "load_s": time.perf_counter() - started})
    os._exit(0)


def _go_first(parent_pid: int) -> None:
    confine.die_with_parent(parent_pid)
    out_of_memory = confine.OutOfMemory()
    out_of_memory.first()
    out_of_memory.close()


def _begin(frames: DeviceFrames, device_bytes: int, channel_fd: int) -> None:
    """Have a context. Where there is none to have, say why and end."""
    try:
        frames.begin(device_bytes)
    except Exception as error:  # a boundary: libraries of a device raise what they like
        why = legal_text(f"{type(error).__name__}: {error}"[:500])
        send_frame(channel_fd, {"event": "no_device", "why": why})
        os._exit(1)


def _attached(message: Message, fds: list[int], frames: DeviceFrames) -> Any:
    """The graph over the blocks that came: ``fds`` are the description, then a block and its header for each table."""
    payload_fd, *others = fds
    if len(others) != 2 * len(message["tables"]):
        raise ProtocolError("not the descriptors of a dataset")
    # By position: every seat of the dataset has this very file, and where the last one read to.
    payload = orjson.loads(os.pread(payload_fd, os.fstat(payload_fd).st_size, 0))
    os.close(payload_fd)
    found = {}
    for table, block_fd, header_fd in zip(message["tables"], others[::2], others[1::2], strict=True):
        header = os.pread(header_fd, table["header_bytes"], 0)
        os.close(header_fd)
        found[table["role"]] = frames.attach(block_fd, table["byte_count"], header)
        os.close(block_fd)
    return build_plottable(found.get("edges"), found.get("nodes"), payload)


def _load(table_fd: int, channel: socket.socket, frames: DeviceFrames) -> None:
    packing = frames.pack(frames.from_arrow(_table(table_fd)))
    send_frame(LOADER_CHANNEL_FD, {
        "event": "packed", "byte_count": packing.byte_count, "header_bytes": len(packing.header),
    })  # fmt: skip
    received = recv_frame_and_fds(channel)
    if received is None:
        os._exit(0)
    block_fd, header_fd = received[1]
    packing.fill(block_fd)
    os.pwrite(header_fd, packing.header, 0)
    os.close(block_fd)
    os.close(header_fd)
    send_frame(LOADER_CHANNEL_FD, {"event": "filled"})


def _table(fd: int) -> pa.Table:
    """A stored table, mapped."""
    try:
        file = pa.py_buffer(mmap.mmap(fd, 0, access=mmap.ACCESS_READ))  # its path leads nowhere from behind the walls
        return pa.ipc.open_file(pa.BufferReader(file)).read_all()
    except (pa.ArrowException, ValueError) as error:
        raise DatasetUnreadable(f"A stored table cannot be read: {error}") from error


def _failure(error: Exception, frames: DeviceFrames) -> RuntimeFailure:
    if isinstance(error, RuntimeFailure):
        return error
    if isinstance(error, MemoryError):
        return DatasetTooLarge(
            "the dataset does not fit into the device's memory, in which it is built before it is kept"
        )
    explained = frames.explain(error)
    if explained is not None:
        return DatasetUnreadable(explained.message)
    return DatasetUnreadable(legal_text(f"the dataset cannot be loaded: {type(error).__name__}: {error}"[:500]))
