"""A seat that has a device. It waits with a context, and gets its dataset when a run needs it. It maps the blocks of
the dataset read-only.
"""

import gc
import os
import socket
from typing import Any, NoReturn

import orjson

from runtime.datasets.plottable import build_plottable, fresh_copy
from runtime.sandbox.device_frames import DeviceFrames
from runtime.sandbox.guest import confine, seat, surroundings
from runtime.sandbox.guest.device.process import begin, failure_of, go_first
from runtime.sandbox.protocol import Message, ProtocolError, recv_frame_and_fds, send_frame
from runtime.sandbox.walls.enclosure import Enclosure


def be_seat(
    fds: list[int], message: Message, enclosure: Enclosure, frames: DeviceFrames, *, parent_pid: int
) -> NoReturn:
    """Put walls up, make a context, report ``warm``; take a dataset, report ``attached``; then serve like any seat.

    ``fds``: as for any seat. ``message``: ``uid``, ``threads``, ``open_files``, ``file_bytes``, ``device_bytes``.
    """
    go_first(parent_pid)
    confine.take_fds(fds)
    confine.raise_walls(open_files=message["open_files"], file_bytes=message["file_bytes"])
    surroundings.prepare_holder()
    surroundings.reseed()
    channel = socket.socket(fileno=seat.CHANNEL_FD)  # before the walls, because Python asks the kernel for its kind
    walled = list(range(len(fds)))
    seat.enter(walled, enclosure, parent_pid=parent_pid, uid=message.get("uid"), threads=message["threads"])
    begin(frames, message["device_bytes"], seat.CHANNEL_FD, warm=True)
    send_frame(seat.CHANNEL_FD, {"event": "warm"})
    try:
        received = recv_frame_and_fds(channel)
        if received is None:
            os._exit(0)
        base = _attached(*received, frames)
    except Exception as error:  # a boundary: the replica has to learn why no run can begin
        send_frame(seat.CHANNEL_FD, {"event": "failed", "failure": failure_of(error, frames).to_wire()})
        os._exit(1)
    gc.collect()
    gc.freeze()
    send_frame(seat.CHANNEL_FD, {"event": "attached"})
    # cuDF copies a frame before a write only while another frame shares its columns, as the base does here.
    seat.serve(lambda: fresh_copy(base), None, frames.explain)


def _attached(message: Message, fds: list[int], frames: DeviceFrames) -> Any:
    """Build the graph over blocks. ``fds``: the description, then a block and its header for each table."""
    payload_fd, *others = fds
    if len(others) != 2 * len(message["tables"]):
        raise ProtocolError("not the descriptors of a dataset")
    # By position, because all seats of the dataset share this file and its read position.

    payload = orjson.loads(os.pread(payload_fd, os.fstat(payload_fd).st_size, 0))
    os.close(payload_fd)
    found = {}
    for table, block_fd, header_fd in zip(message["tables"], others[::2], others[1::2], strict=True):
        header = os.pread(header_fd, table["header_bytes"], 0)
        os.close(header_fd)
        found[table["role"]] = frames.attach(block_fd, table["byte_count"], header)
        os.close(block_fd)
    return build_plottable(found.get("edges"), found.get("nodes"), payload)
