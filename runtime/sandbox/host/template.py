"""The replica's side of the template: it starts the template by exec, and starts another when it dies."""

import asyncio
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from runtime.errors import RunInterrupted
from runtime.sandbox.host.children import ForkerClient
from runtime.sandbox.host.environment import template_environment
from runtime.sandbox.protocol import Message
from runtime.sandbox.walls import namespaces
from runtime.sandbox.walls.cgroup import TaskGroup
from runtime.sandbox.walls.enclosure import Walls

log = logging.getLogger("graphside.sandbox")

START_TIMEOUT_S: Final = 120.0
IMPORT_TIMEOUT_S: Final = 60.0
"""Additional time for each module that an operator wants imported. The first import of some compiles code."""

RESTART_DELAY_S: Final = 0.5


class TemplateProcess:
    """Owns the template. ``start`` returns at once; callers that need the template wait for ``ready``."""

    def __init__(
        self,
        walls: Walls,
        group: TaskGroup | None = None,
        device: str | None = None,
        imports: Sequence[str] = (),
    ) -> None:
        """``group``: the control group of the template and of everything below it; ``close`` closes it too.

        ``device``: the module of ``DeviceFrames`` that the template's children use; None without a device.
        ``imports``: modules that the template imports; one that cannot be imported is logged and left out.
        """
        self.walls = walls
        self._imports = list(imports)
        self._device = device
        self._group = group
        self._closed = False
        self._ready: asyncio.Future[ForkerClient] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._orphaned: set[Any] = set()  # first processes of namespaces whose template died, while holders live there
        self._outside: int | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the template that runs now."""
        if self._outside is None or not self.walls.namespaces:
            return self._outside
        return namespaces.inhabitant(self._outside)

    @property
    def _start_timeout_s(self) -> float:
        return START_TIMEOUT_S + IMPORT_TIMEOUT_S * len(self._imports)

    def start(self) -> None:
        """Start the template, and keep one running until ``close``."""
        self._ready = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep())

    async def ready(self) -> ForkerClient:
        """Wait until the template can fork, and return its client. Raises ``TimeoutError``, ``RunInterrupted``."""
        if self._ready is None or self._closed:
            raise RunInterrupted("the server is stopping; send the request again", retry_after_s=1)
        async with asyncio.timeout(self._start_timeout_s):
            return await asyncio.shield(self._ready)

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

    async def _keep(self) -> None:
        """Run one template after the other."""
        while not self._closed:
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            started = time.monotonic()
            process = await self._exec(far)
            far.close()
            self._outside = process.pid
            client = ForkerClient(near, "template")
            served = False
            try:
                event = await client.first_event(self._start_timeout_s)
                if event.get("event") == "import_refused":
                    self._leave_out(event)
                    continue
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

    def _leave_out(self, event: Message) -> None:
        """Start the next template without a module that this one could not import."""
        name = event["module"]
        log.error("template.import_refused module=%s task_imports is used without it: %s", name, event["reason"])
        self._imports = [one for one in self._imports if one != name]

    def _arguments(self, control: socket.socket) -> tuple[str, ...]:
        """Return the template's command-line arguments."""
        door = None if self._group is None else self._group.door
        options = {"walls": self.walls.to_wire(), "door": door, "device": self._device, "imports": self._imports}
        return (str(control.fileno()), str(os.getpid()), json.dumps(options))

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
