"""A parser and a holder that were taken over by the bytes that they read, and the server beside them."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from runtime.engines.base import DatasetSource
from runtime.errors import DatasetUnreadable
from runtime.sandbox.host.environment import template_environment
from runtime.sandbox.host.parse_job import JobLimits, run_job
from runtime.sandbox.host.template import TemplateProcess
from tests.attacks import takeover
from tests.unit.sandbox.conftest import PAYLOAD, Rig, answer
from tests.unit.standing_walls import walls
from tests.waiting import WITHIN_S, eventually

JOB = "\ndef attack(request, *descriptors):\n    return {'through': task(None)}\n"
HOLDER = (
    "\ndef attack(edges, nodes, payload):\n    raise ValueError('through: ' + __import__('json').dumps(task(None)))\n"
)
UPLOADED = Path(__file__)  # takes the place of an upload
GOOD = "def task(g): return len(g._edges)"
needs_walls = pytest.mark.skipif(
    not (walls().landlock and walls().seccomp), reason="this kernel has no Landlock or no seccomp filters"
)


class TakenOver(TemplateProcess):
    """A template that runs the code of ``tests.attacks.takeover``."""

    async def _exec(self, control: Any) -> Any:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-s", takeover.__file__, *self._arguments(control),
            pass_fds=(control.fileno(),), env=template_environment(), cwd="/", stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture(scope="session")
def taken(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig(template_type=TakenOver)


@pytest.fixture
def neighbour(taken: Rig) -> DatasetSource:
    """Return a dataset beside the attack, in use before and after."""
    source = taken.dataset()
    assert answer(taken.run(source, GOOD)) == 3
    return source


def upload(rig: Rig, code: str, content: bytes = b"bytes") -> dict[str, Any]:
    """Return what the server reports of an upload whose parser runs ``code``."""
    incoming = rig.store.incoming()
    incoming.write_bytes(content)
    try:
        return rig.wait(rig.uploads.parse(incoming.name, "csv", "", {"code": code}, user="1"))
    finally:
        incoming.unlink()


def job(rig: Rig, code: str, *, timeout_s: float = WITHIN_S, output: Path | None = None) -> Any:
    """Return the answer of a job that runs ``code``."""
    given = [os.open(output or os.devnull, os.O_RDWR | os.O_CREAT), os.open(UPLOADED, os.O_RDONLY)]
    given.append(os.memfd_create("scratch"))
    try:
        limits = JobLimits(timeout_s, file_bytes=2**20, memory_bytes=2**29)
        request = {"job": "parse", "options": {"code": code}}
        return rig.wait(run_job(rig.template, request, tuple(given), limits))
    finally:
        for fd in given:
            os.close(fd)


def hostile_dataset(rig: Rig, code: str) -> DatasetSource:
    """Return a dataset whose holder runs ``code``."""
    source = rig.dataset()
    return DatasetSource(uuid4().hex, source.tables, source.byte_count, {**PAYLOAD, "code": code})


def refusal(rig: Rig, code: str) -> str:
    """Return the reason why a dataset cannot be used whose holder runs ``code``."""
    with pytest.raises(DatasetUnreadable) as told:
        rig.run(hostile_dataset(rig, code), GOOD)
    return told.value.message


FINE = {"row_count": 3, "column_count": 1, "dtypes": {"s": "str"}}


def open_when_calm() -> int:
    """Return the number of descriptors that this process has when spare seats stand ready."""
    seen: list[int] = []

    def calm() -> bool:
        seen.append(len(os.listdir("/proc/self/fd")))
        return len(seen) > 30 and len(set(seen[-30:])) == 1

    eventually(calm)
    return seen[-1]
