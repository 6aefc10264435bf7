"""The replica's side of a holder: it has a process forked that loads one dataset, and waits until that is done."""

import os
import signal
import socket
from dataclasses import dataclass
from typing import Any, Final

import orjson

from runtime.errors import DatasetUnreadable, RunInterrupted
from runtime.sandbox.host.children import Child, ForkerClient
from runtime.sandbox.host.claims import validated_load, validated_load_failure
from runtime.sandbox.host.template import TemplateProcess

LOAD_TIMEOUT_S: Final = 120.0

_OWN_CRASHES: Final = frozenset((-signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGSEGV))
"""Exit codes of a process that crashed by what it did itself, so that it would crash again."""


@dataclass(frozen=True, slots=True)
class HolderOrder:
    """The order to make a holder.

    ``tables``: descriptors of the stored tables by role; the caller closes them. ``payload``: the description that the
    dataset was created with. ``memory_bytes``: the most that loading may take, files included. ``scratch_root``:
    descriptor of the directory that holds the seats' scratch directories. The others are limits of its seats.
    """

    tables: dict[str, int]
    payload: dict[str, Any]
    memory_bytes: int
    scratch_root: int
    open_files: int
    file_bytes: int
    threads: int


@dataclass(frozen=True, slots=True)
class HolderProcess:
    """A holder that has loaded its dataset. ``anonymous_bytes``: what loading added to its private memory."""

    child: Child
    client: ForkerClient
    anonymous_bytes: int
    load_s: float

    @property
    def alive(self) -> bool:
        """Return whether the holder can fork seats."""
        return not self.client.ended.done() and not self.child.dead

    def close(self) -> None:
        """End the holder and its seats, which returns all its memory."""
        self.client.close()
        self.child.kill()


async def open_holder(template: TemplateProcess, order: HolderOrder) -> HolderProcess:
    """Fork a holder and wait until it has loaded its dataset.

    Raises ``DatasetUnreadable``, ``DatasetTooLarge``, ``RunInterrupted``.
    """
    forker = await template.ready()
    limits = {"open_files": order.open_files, "file_bytes": order.file_bytes, "threads": order.threads}
    message = {"kind": "holder", "roles": list(order.tables), "limits": limits, "memory_bytes": order.memory_bytes}
    payload_fd = _memfd("payload", orjson.dumps(order.payload))
    try:
        fds = (payload_fd, *order.tables.values(), order.scratch_root)
        child, control = await forker.fork_connected(message, fds, socket.SOCK_SEQPACKET)
    finally:
        os.close(payload_fd)
    client = ForkerClient(control, "holder", parent_pid=child.pid)
    try:
        event = await client.first_event(LOAD_TIMEOUT_S)
        if event.get("event") != "ready":
            raise validated_load_failure(event.get("failure"))
        return HolderProcess(child, client, *validated_load(event, order.memory_bytes, LOAD_TIMEOUT_S))
    except TimeoutError:
        _end(client, child)
        raise DatasetUnreadable.by_timeout(LOAD_TIMEOUT_S) from None
    except RunInterrupted:
        _end(client, child)
        code = await child.exit_code()
        if code in _OWN_CRASHES:
            raise DatasetUnreadable(_crash(-code)) from None
        raise
    except BaseException:
        _end(client, child)
        raise


def _end(client: ForkerClient, child: Child) -> None:
    client.close()
    child.kill()


def _crash(number: int) -> str:
    return (
        f"the process that loads the dataset ended with signal {number}: a stored table is damaged, or needs more "
        "memory than this server has for a dataset"
    )


def _memfd(name: str, data: bytes) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
