"""The replica's side of the template: starts it by exec, again when it dies, and has it fork holders and jobs."""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import orjson

from runtime.errors import DatasetUnreadable, InvalidTable, RunInterrupted
from runtime.sandbox.host.children import Child, ForkerClient
from runtime.sandbox.host.claims import MOST_CHARACTERS, validated_load, validated_load_failure, validated_refusal
from runtime.sandbox.protocol import FrameBuffer, Message, ProtocolError, encode_frame
from runtime.sandbox.walls import identity, namespaces
from runtime.sandbox.walls.cgroup import TaskGroup
from runtime.sandbox.walls.enclosure import Walls
from runtime.text import clip

log = logging.getLogger("graphside.sandbox")

START_TIMEOUT_S: Final = 120.0
LOAD_TIMEOUT_S: Final = 120.0
RESTART_DELAY_S: Final = 0.5

_OF_ITSELF: Final = frozenset((-signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGSEGV))
"""How a process ends by what it does, not by what is done to it."""

_PASSED_ON: Final = ("PATH", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SYSTEMROOT")

_TUNED: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYTHONMALLOC": "malloc",  # with the next: the heap lies on huge pages, and a fork copies fewer page tables
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_ARENA_MAX": "2",  # an arena is 64 MiB of address space, which the memory limit would count
}


_OF_A_DEVICE: Final = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")
"""Which of the machine's devices is the replica's."""

_TUNED_FOR_A_DEVICE: Final = {
    "CUDA_CACHE_DISABLE": "1",  # what it would keep for later is gone with the run's scratch
    "CUPY_CACHE_IN_MEMORY": "1",
    "CUDA_MODULE_LOADING": "LAZY",
}


def template_environment(*, device: bool = False) -> dict[str, str]:
    """The environment of everything below the replica: nothing of the server's, one thread, UTF-8."""
    passed_on = (*_PASSED_ON, *_OF_A_DEVICE) if device else _PASSED_ON
    kept = {name: os.environ[name] for name in passed_on if name in os.environ}
    return {
        **kept,
        **_TUNED,
        **(_TUNED_FOR_A_DEVICE if device else {}),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/nonexistent",
    }


@dataclass(frozen=True, slots=True)
class HolderProcess:
    """A holder that has its dataset. ``anonymous_bytes`` is what loading added to its private memory."""

    child: Child
    client: ForkerClient
    anonymous_bytes: int
    load_s: float

    @property
    def alive(self) -> bool:
        """Whether it can fork seats."""
        return not self.client.ended.done() and not self.child.dead

    def close(self) -> None:
        """End it and its seats; its memory returns whole."""
        self.client.close()
        self.child.kill()


class TemplateProcess:
    """Owns the template. ``start`` returns at once; whoever needs the template waits until it is ready.

    ``group``: the control group in which it lives with all below it, where there is one; ends with this.
    """

    def __init__(self, walls: Walls, group: TaskGroup | None = None, device: str | None = None) -> None:
        """``device``: the module of ``DeviceFrames`` that it has for its children; None where there is no device."""
        self.walls = walls
        self._device = device
        self._group = group
        self._closed = False
        self._ready: asyncio.Future[ForkerClient] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._orphaned: set[Any] = set()  # namespaces of templates that died, while holders live there
        self._outside: int | None = None

    @property
    def pid(self) -> int | None:
        """Of the template that runs now."""
        if self._outside is None or not self.walls.namespaces:
            return self._outside
        return namespaces.inhabitant(self._outside)

    def start(self) -> None:
        """Start the template, and keep one running until ``close``."""
        self._ready = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep())

    async def wait_ready(self) -> None:
        """Return once the template can fork. Raises ``TimeoutError``."""
        await self.client()

    async def holder(
        self,
        fds: list[int],
        roles: list[str],
        payload: Message,
        limits: Message,
        scratch_root: int,
        *,
        memory_bytes: int,
    ) -> HolderProcess:
        """Fork a holder over the tables in ``fds`` (one a role, kept by the caller) and wait until it has them.

        ``scratch_root``: descriptor of the directory in which its seats' scratch directories will be.
        ``memory_bytes``: the most that loading may take, files included.

        Raises ``DatasetUnreadable``, ``DatasetTooLarge``, ``RunInterrupted``.
        """
        client = await self.client()
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        payload_fd = _memfd("payload", orjson.dumps(payload))
        try:
            message = {"kind": "holder", "roles": roles, "limits": limits, "memory_bytes": memory_bytes}
            child = await client.fork(message, (far.fileno(), payload_fd, *fds, scratch_root))
        except BaseException:
            near.close()
            raise
        finally:
            far.close()
            os.close(payload_fd)
        holder = ForkerClient(near, "holder", parent_pid=child.pid)
        try:
            event = await holder.first_event(LOAD_TIMEOUT_S)
            if event.get("event") != "ready":
                raise validated_load_failure(event.get("failure"))
            anonymous_bytes, load_s = validated_load(event, memory_bytes, LOAD_TIMEOUT_S)
        except TimeoutError:
            holder.close()
            child.kill()
            raise DatasetUnreadable(f"the dataset did not load within {LOAD_TIMEOUT_S:g} s") from None
        except RunInterrupted:
            holder.close()
            child.kill()
            code = await child.exit_code()
            if code in _OF_ITSELF:  # it would do so again
                raise DatasetUnreadable(_holder_crash(-code)) from None
            raise
        except BaseException:
            holder.close()
            child.kill()
            raise
        return HolderProcess(child, holder, anonymous_bytes, load_s)

    async def job(self, request: Message, fds: tuple[int, ...], *, timeout_s: float, limits: Message) -> Message:
        """Run one job over ``fds`` (output, then inputs; kept by the caller) and return the table it describes.

        Raises ``InvalidTable`` (also where the parser crashed, hung or ran out of memory), ``RunInterrupted``.
        """
        client = await self.client()
        near, far = socket.socketpair()
        near.setblocking(False)
        try:
            uid = identity.new_uid() if self.walls.throwaway_users else None
            child = await client.fork({"kind": "job", "uid": uid, **limits}, (far.fileno(), *fds))
        except BaseException:
            near.close()
            raise
        finally:
            far.close()
        try:
            async with asyncio.timeout(timeout_s):
                answer = await _exchange(near, encode_frame(request))
        except TimeoutError:
            raise InvalidTable(f"the upload could not be parsed within {timeout_s:g} s") from None
        finally:
            near.close()
            child.kill()
            await asyncio.shield(child.wait_dead())
        if answer is None:
            raise InvalidTable(_job_crash(await child.exit_code()))
        if cause := answer.get("cause"):
            log.warning("parse.failed cause=%a", clip(str(cause), MOST_CHARACTERS))
        table = answer.get("table")
        if answer.get("status") == "ok" and isinstance(table, dict):
            return table
        raise validated_refusal(answer.get("failure"))

    async def close(self) -> None:
        """End the template."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for process in self._orphaned:
            await _kill(process)
        if self._group is not None:
            await asyncio.to_thread(self._group.close)

    async def client(self) -> ForkerClient:
        """The way to the template that runs now, once it is ready. Raises ``TimeoutError``, ``RunInterrupted``."""
        if self._ready is None or self._closed:
            raise RunInterrupted("the server is stopping; send the request again", retry_after_s=1)
        async with asyncio.timeout(START_TIMEOUT_S):
            return await asyncio.shield(self._ready)

    async def _keep(self) -> None:
        """One template after the other."""
        while not self._closed:
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            started = time.monotonic()
            process = await self._exec(far)
            far.close()
            self._outside = process.pid
            client = ForkerClient(near, "template")
            served = False
            try:
                await client.first_event(START_TIMEOUT_S)
                log.info("template.ready pid=%d start_s=%.2f", process.pid, time.monotonic() - started)
                assert self._ready is not None
                self._ready.set_result(client)
                await asyncio.shield(client.ended)
                served = True
                self._ready = asyncio.get_running_loop().create_future()
            except (TimeoutError, RunInterrupted):
                log.error("template.failed pid=%d start_s=%.2f", process.pid, time.monotonic() - started)
                await asyncio.sleep(RESTART_DELAY_S)
            finally:
                client.close()
                if served and self.walls.namespaces:
                    self._orphaned = {one for one in self._orphaned if one.returncode is None} | {process}
                else:
                    await asyncio.shield(_kill(process))
            log.warning("template.ended pid=%d code=%s", process.pid, process.returncode)

    def _arguments(self, control: socket.socket) -> tuple[str, ...]:
        """What a template is told at its start."""
        door = None if self._group is None else self._group.door
        told = {"walls": self.walls.to_wire(), "door": door, "device": self._device}
        return (str(control.fileno()), str(os.getpid()), json.dumps(told))

    async def _exec(self, control: socket.socket) -> Any:
        doors = () if self._group is None else (self._group.door,)
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-s", "-m", "runtime.sandbox.guest.template", *self._arguments(control),
            pass_fds=(control.fileno(), *doors), env=template_environment(device=self._device is not None), cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip


async def _kill(process: Any) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()


async def _exchange(channel: socket.socket, request: bytes) -> Message | None:
    loop = asyncio.get_running_loop()
    frames = FrameBuffer()
    try:
        await loop.sock_sendall(channel, request)
        while data := await loop.sock_recv(channel, 256 * 1024):
            message = frames.feed(data)
            if message is not None:
                return message
    except (OSError, ProtocolError):
        pass
    return None


def _job_crash(code: int | None) -> str:
    how = f"signal {-code}" if code is not None and code < 0 else "no answer"
    return f"The reader of this file ended with {how}: the file is damaged, or needs more memory than parsing may use."


def _holder_crash(number: int) -> str:
    return (
        f"the process that loads the dataset ended with signal {number}: a stored table is damaged, or needs more "
        "memory than this server has for a dataset"
    )


def _memfd(name: str, data: bytes) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
