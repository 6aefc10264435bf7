"""The first steps of every process that has a device, and the names of its errors.

The template has the libraries and never touches the device, because a context does not survive a fork. So each child
makes a context of its own, behind its walls.
"""

import os

from runtime.errors import DatasetTooLarge, DatasetUnreadable, RuntimeFailure
from runtime.sandbox.device_frames import DeviceFrames
from runtime.sandbox.guest import confine
from runtime.sandbox.protocol import send_frame
from runtime.text import legal_text


def go_first(parent_pid: int) -> None:
    """Have the kernel kill this process with its parent, and before all others if the machine runs out of memory."""
    confine.die_with_parent(parent_pid)
    out_of_memory = confine.OutOfMemory()
    out_of_memory.first()
    out_of_memory.close()


def begin(frames: DeviceFrames, device_bytes: int, channel_fd: int, *, warm: bool = False) -> None:
    """Make a context, and with ``warm`` get ready for runs. If that fails, report why and end."""
    try:
        frames.begin(device_bytes)
        if warm:
            frames.warm_up()
    except Exception as error:  # a boundary: libraries of a device may raise anything
        why = legal_text(f"{type(error).__name__}: {error}"[:500])
        send_frame(channel_fd, {"event": "no_device", "why": why})
        os._exit(1)


def failure_of(error: Exception, frames: DeviceFrames) -> RuntimeFailure:
    """Return what to report of an error that kept a dataset from the device."""
    if isinstance(error, RuntimeFailure):
        return error
    if isinstance(error, MemoryError):
        return DatasetTooLarge("the dataset does not fit into the device's memory; loading needs its size there twice")

    explained = frames.explain(error)
    if explained is not None:
        return DatasetUnreadable(explained.message)
    return DatasetUnreadable.by_loading(error)
