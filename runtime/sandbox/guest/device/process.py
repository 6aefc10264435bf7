"""What all processes that have a device begin with, and what their errors are called.

They are forked from a template that has the libraries and never touched the device, since a context does not survive a
fork; so each makes one of its own, behind its walls.
"""

import os

from runtime.errors import DatasetTooLarge, DatasetUnreadable, RuntimeFailure
from runtime.sandbox.device_frames import DeviceFrames
from runtime.sandbox.guest import confine
from runtime.sandbox.protocol import send_frame
from runtime.text import legal_text


def go_first(parent_pid: int) -> None:
    """Die with the parent, and before everybody else where the machine is out of memory."""
    confine.die_with_parent(parent_pid)
    out_of_memory = confine.OutOfMemory()
    out_of_memory.first()
    out_of_memory.close()


def begin(frames: DeviceFrames, device_bytes: int, channel_fd: int, *, warm: bool = False) -> None:
    """Have a context, and where ``warm`` is wanted be ready for runs. Where there is none to have, say why and end."""
    try:
        frames.begin(device_bytes)
        if warm:
            frames.warm_up()
    except Exception as error:  # a boundary: libraries of a device raise what they like
        why = legal_text(f"{type(error).__name__}: {error}"[:500])
        send_frame(channel_fd, {"event": "no_device", "why": why})
        os._exit(1)


def failure_of(error: Exception, frames: DeviceFrames) -> RuntimeFailure:
    """What the replica is told of an error that has kept a dataset from a device."""
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
