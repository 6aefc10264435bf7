"""The replica's side of a job: it has a process forked that parses an upload, and waits for the table."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Final

from runtime.errors import InvalidTable
from runtime.sandbox.host.channel import Channel
from runtime.sandbox.host.children import Child
from runtime.sandbox.host.claims import MOST_CHARACTERS, validated_refusal
from runtime.sandbox.host.gauge import Gauge
from runtime.sandbox.host.precedence import Precedence
from runtime.sandbox.host.template import TemplateProcess
from runtime.sandbox.protocol import FRAME_BYTES, Message, encode_frame
from runtime.text import clip

log = logging.getLogger("graphside.sandbox")

LOOK_S: Final = 0.1
"""Interval at which the CPU time of a parser is looked at."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Limits of a job. ``file_bytes``: the largest file that it may write."""

    timeout_s: float
    file_bytes: int
    memory_bytes: int


async def run_job(template: TemplateProcess, request: Message, fds: tuple[int, ...], limits: JobLimits) -> Message:
    """Run one job and return its description of the table, which is not validated yet.

    ``fds``: the file for the table, then the inputs. The caller closes them.

    Raises ``InvalidTable``, also if the parser crashed, hung or ran out of memory; ``RunInterrupted``.
    """
    forker = await template.ready()
    sizes = asdict(limits)
    timeout_s = sizes.pop("timeout_s")
    child, end = await forker.fork_connected({"kind": "job", "uid": template.walls.new_uid(), **sizes}, fds)
    channel = Channel(end, child, FRAME_BYTES)
    try:
        with _watched(child):
            async with asyncio.timeout(timeout_s):
                answer = await channel.exchange(encode_frame(request))
    except TimeoutError:
        raise InvalidTable(f"the upload could not be parsed within {timeout_s:g} s") from None
    finally:
        channel.close()
        child.kill()
        await asyncio.shield(child.wait_dead())
    if answer is None:
        raise InvalidTable(_crash(await child.exit_code()))
    if cause := answer.get("cause"):
        log.warning("parse.failed cause=%a", clip(str(cause), MOST_CHARACTERS))
    table = answer.get("table")
    if answer.get("status") == "ok" and isinstance(table, dict):
        return table
    raise validated_refusal(answer.get("failure"))


@contextmanager
def _watched(child: Child) -> Iterator[None]:
    """Send the parser to the back once it has used much CPU time."""
    loop = asyncio.get_running_loop()
    gauge: Gauge | None = None
    timer: asyncio.TimerHandle | None = None

    def look(precedence: Precedence) -> None:
        nonlocal timer
        precedence.look()
        timer = loop.call_later(LOOK_S, look, precedence)

    with suppress(FileNotFoundError, ProcessLookupError):
        gauge = Gauge(child.pid)
        timer = loop.call_later(LOOK_S, look, Precedence(child, gauge))
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        if gauge is not None:
            gauge.close()


def _crash(code: int | None) -> str:
    how = f"signal {-code}" if code is not None and code < 0 else "no answer"
    return f"the reader of this file ended with {how}: the file is damaged, or needs more memory than parsing may use"
