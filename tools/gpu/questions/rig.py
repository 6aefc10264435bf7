"""The probe's own side: an owner of blocks without a context, and children that it starts, asks and kills."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tools.gpu.questions.channel import Channel, Closed
from tools.gpu.questions.machine import ALIGNED, MIB, Block, Machine, Packed

PROBE: Final = Path(__file__).resolve().parents[1] / "probe.py"
ANSWER_S: Final = 90.0
RECLAIM_S: Final = 20.0
TUNED: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_CACHE_DISABLE": "1",
    "CUPY_CACHE_IN_MEMORY": "1",
}
"""The variables that the engine's processes have.

Threads at a fork are one of the questions, and caches would change answers.
"""

_SLACK_BYTES: Final = 64 * MIB
"""The amount by which a device's free memory moves by itself."""


class Unanswered(Exception):
    """A child failed or said nothing. The message is its own error, or how it ended."""


class Child:
    """One process of the probe, the leader of its own process group."""

    def __init__(self, job: str, *, dry: bool) -> None:
        ours, theirs = socket.socketpair()
        command = [
            sys.executable,
            str(PROBE),
            "--job",
            job,
            "--channel",
            str(theirs.fileno()),
            *(["--dry"] if dry else []),
        ]
        self._errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], start_new_session=True, stdin=subprocess.DEVNULL,
            stderr=self._errors, env={**os.environ, **TUNED},
        )  # fmt: skip
        theirs.close()
        self.channel = Channel(ours)

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        try:
            self.channel.send(message, descriptors)
        except Closed as error:
            raise Unanswered(self._end(str(error))) from error

    def hear(self, deadline_s: float = ANSWER_S) -> dict[str, Any]:
        """Return the next message. Raises ``Unanswered``."""
        try:
            message = self.channel.receive(deadline_s)[0]
        except Closed as error:
            raise Unanswered(self._end(str(error))) from error
        if "error" in message:
            raise Unanswered(str(message["error"]))
        return message

    def kill(self) -> float:
        """Kill the whole group. Return the milliseconds until it was reaped."""
        began = time.perf_counter()
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(RECLAIM_S)
        return round(1000 * (time.perf_counter() - began), 2)

    def close(self) -> None:
        if self.process.returncode is None:
            self.kill()
        self.channel.close()
        self._errors.close()

    def _end(self, reason: str) -> str:
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            return f"{reason}; it is still running"
        self._errors.seek(0)
        last = self._errors.read()[-600:].decode(errors="replace").strip()
        return f"{reason}; it ended with {self.process.returncode}: {last}"


class Rig:
    """What every question has. ``rows`` and ``scale`` make a dry run small."""

    def __init__(self, machine: Machine, folder: Path, *, dry: bool) -> None:
        self.machine = machine
        self.folder = folder
        self.dry = dry
        self.rows = 20_000 if dry else 20_000_000
        self._dataset: tuple[Block, Packed] | None = None
        self.loading: dict[str, Any] = {}

    def size(self, byte_count: int) -> int:
        """Return that many bytes for a device; a dry run takes a hundredth."""
        return byte_count // 128 if self.dry else byte_count

    @contextmanager
    def child(self, job: str) -> Iterator[Child]:
        child = Child(job, dry=self.dry)
        try:
            yield child
        finally:
            child.close()

    @contextmanager
    def block(self, byte_count: int) -> Iterator[Block]:
        block = self.machine.create(byte_count)
        try:
            yield block
        finally:
            self.machine.release(block)

    def ask(self, job: str, message: dict[str, Any] | None = None, deadline_s: float = ANSWER_S) -> dict[str, Any]:
        """Ask a child that needs only one message and answers once."""
        with self.child(job) as child:
            child.tell({"folder": str(self.folder), "rows": self.rows, **(message or {})})
            return child.hear(deadline_s)

    def dataset(self) -> tuple[Block, Packed]:
        """Return a frame in a block. The first call makes it. Raises ``Unanswered``."""
        if self._dataset is None:
            with self.child("load") as child:
                child.tell({"rows": self.rows})
                block = self.machine.create(int(child.hear()["bytes"]))
                child.tell({"size": block.size}, [block.fd])
                self.loading = child.hear()
            self._dataset = block, Packed.from_json(self.loading.pop("packed"))
        return self._dataset

    def close(self) -> None:
        if self._dataset is not None:
            self.machine.release(self._dataset[0])
            self._dataset = None

    def send_dataset(self, child: Child, **more: Any) -> None:
        block, packed = self.dataset()
        child.tell({"size": block.size, "packed": packed.to_json(), **more}, [block.fd])

    def until_free(self, wanted: int) -> tuple[float, int]:
        """Wait until so much is free again. Return the milliseconds, and how much is still lacking in MiB."""
        began = time.perf_counter()
        until(lambda: self.machine.free_bytes() >= wanted - _SLACK_BYTES, RECLAIM_S)
        took = round(1000 * (time.perf_counter() - began), 2)
        return took, (wanted - self.machine.free_bytes()) // MIB


def until(condition: Callable[[], bool], deadline_s: float) -> bool:
    """Wait until something is true. Return False if that takes too long."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def layout(buffers: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    """Return the places of buffers of these sizes within a block, and their total size."""
    spans, offset = [], 0
    for _, size in buffers:
        spans.append((offset, size))
        offset += -(-size // ALIGNED) * ALIGNED
    return spans, offset
