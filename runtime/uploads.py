"""Turns uploaded bytes into a stored table: parsed in a separate process, committed only when complete."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from runtime.datasets.store.base import Store
from runtime.datasets.store.descriptors import opened
from runtime.errors import Overloaded
from runtime.memory import memory_bytes
from runtime.sandbox.host.claims import validated_description
from runtime.sandbox.host.parse_job import JobLimits, run_job
from runtime.sandbox.host.template import TemplateProcess
from runtime.sandbox.protocol import MAX_FDS
from runtime.turns import QueueFull, Turns

log = logging.getLogger("graphside.uploads")

BASE_TIMEOUT_S: Final = 60.0
BYTES_PER_S: Final = 4_000_000
"""Compressed bytes per second of the slowest reader (Excel); the others are ten times faster."""

CONCURRENT_PARSES: Final = 3
"""Parsers at a time. One user has two at most, so that another user's upload does not wait for them."""

EXTRA_PARSES: Final = 1
"""Parsers beside those, for users who have none and find all taken."""

WAITING_PARSES: Final = 64
"""Uploads that may wait for a parser, of all users."""

MEMORY_FACTOR: Final = 6
"""A parser may use this many times the largest upload: text formats grow when they become columns."""

LEAST_MEMORY_BYTES: Final = 256 * 1024 * 1024
"""A parser may use this much in any case: its libraries need it for a table of one cell."""

MEMORY_SHARE: Final = 4
"""Each parser may use at most one part in this many of the machine's memory; those of one user together use half."""

DECOMPRESSED_FACTOR: Final = 4
"""A compressed upload may decompress to this many times the largest upload."""

INPUTS: Final = MAX_FDS - 2
"""Descriptors that a job can be given besides its channel and its output."""

MOST_PARTS: Final = 100
"""Parts of a concatenated table; the routes enforce it, because each part is looked up and opened."""

_CONCATENATE: Final = {"job": "concatenate"}


def parse_timeout_s(byte_count: int) -> float:
    """Return how many seconds a parser may take for so many bytes."""
    return BASE_TIMEOUT_S + byte_count / BYTES_PER_S


class Uploads:
    """Parses uploads for one replica."""

    def __init__(self, store: Store, template: TemplateProcess, max_upload_bytes: int) -> None:
        self._store = store
        self._template = template
        self._turns = Turns(CONCURRENT_PARSES, queue=WAITING_PARSES, extra=EXTRA_PARSES)
        self._decompressed_bytes = DECOMPRESSED_FACTOR * max_upload_bytes
        self._file_bytes = MEMORY_FACTOR * max_upload_bytes
        self._memory_bytes = max(LEAST_MEMORY_BYTES, min(self._file_bytes, memory_bytes() // MEMORY_SHARE))

    async def parse(
        self, incoming: str, file_type: str, file_compression: str, options: dict[str, Any], *, user: str
    ) -> dict[str, Any]:
        """Parse the upload named ``incoming`` into a new object; return the fields of its ``ObjectRecord``.

        If the upload is a canonical file already, it becomes the object itself; else the caller has to remove it.
        Nobody may write to it any more. ``user``: whose turn it takes. Raises ``InvalidTable``, ``StorageFull``,
        ``StoreUnavailable``, ``RunInterrupted``, ``Overloaded``.
        """
        request = {
            "job": "parse",
            "file_type": file_type,
            "file_compression": file_compression,
            "options": options,
            "decompressed_bytes": self._decompressed_bytes,
            "adopt": True,
        }
        may_grow = bool(file_compression or options.get("compression"))
        given = self._store.incoming().parent / Path(incoming).name
        fds = [os.open(given, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)]
        try:
            fds.append(self._scratch())
            scratch_bytes = self._decompressed_bytes if may_grow else 0
            return await self._make_object(request, fds, scratch_bytes, user, given)
        finally:
            for fd in fds:
                os.close(fd)

    async def concatenate(self, object_ids: list[str], *, user: str) -> dict[str, Any]:
        """Concatenate stored tables, columns by name, into a new object. Raises as ``parse``."""
        async with opened(self._store, object_ids) as fds:
            parts = fds
            made: list[int] = []
            try:
                while len(parts) > INPUTS:
                    parts = [
                        await self._part(parts[at : at + INPUTS], made, user) for at in range(0, len(parts), INPUTS)
                    ]
                return await self._make_object(_CONCATENATE, parts, 0, user)
            finally:
                for fd in made:
                    os.close(fd)

    async def _part(self, inputs: list[int], made: list[int], user: str) -> int:
        """Concatenate some of the parts into an unnamed file, whose descriptor is added to ``made``."""
        fd = self._scratch()
        made.append(fd)
        await self._job(_CONCATENATE, fd, inputs, 0, user)
        return fd

    async def _make_object(
        self, request: dict[str, Any], inputs: list[int], scratch_bytes: int, user: str, given: Path | None = None
    ) -> dict[str, Any]:
        """Run the job and commit its table. ``given``: the first input's path, if that file may become the object."""
        output = self._store.incoming()
        out_fd = os.open(output, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            table = await self._job(request, out_fd, inputs, scratch_bytes, user)
            described = validated_description(table)
            # The parser has ended, so the bytes that it checked cannot change any more.
            adopted = given if given is not None and table.get("adopted") is True else None
            byte_count = os.fstat(inputs[0] if adopted else out_fd).st_size
            object_id = uuid4().hex
            await asyncio.to_thread(self._store.commit, adopted or output, object_id)
        finally:
            os.close(out_fd)
            output.unlink(missing_ok=True)  # a committed file has moved away by now
        return {"id": object_id, "byte_count": byte_count, **described}

    async def _job(
        self, request: dict[str, Any], out_fd: int, inputs: list[int], scratch_bytes: int, user: str
    ) -> dict[str, Any]:
        """Return the job's unchecked claims about the table that it wrote."""
        mapped = sum(os.fstat(fd).st_size for fd in inputs)
        limits = JobLimits(
            timeout_s=parse_timeout_s(mapped),
            file_bytes=self._file_bytes,
            # Mapped files are not the parser's own memory, but the limit counts them.
            memory_bytes=self._memory_bytes + mapped + scratch_bytes,
        )
        async with self._turns.place(user, _queue_full):
            return await run_job(self._template, request, (out_fd, *inputs), limits)

    def _scratch(self) -> int:
        """Return a descriptor of a new unnamed file for decompressed data."""
        path = self._store.incoming()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        path.unlink()
        return fd


def _queue_full(full: QueueFull) -> Overloaded:
    return Overloaded(f"{full.waiting} uploads are waiting, {full.own} of them yours; try again later", retry_after_s=5)
