"""Try one wall in a child process: put it up, then do what it forbids. What counts is the refusal.

A wall cannot be taken off again, so each trial has a process of its own.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class Found:
    """The result of trying one wall. ``version``: 0 for a wall that has none."""

    works: bool
    detail: str
    version: int = 0


class NotForbidden(Exception):
    """The wall went up, but did not stop what it should forbid."""


def refused(numbers: tuple[int, ...], what: str, act: Callable[[], object]) -> None:
    """Do ``act``, which must fail with one of these ``errno`` values. Raises ``NotForbidden`` if it succeeds."""
    try:
        act()
    except OSError as error:
        if error.errno in numbers:
            return
        raise
    raise NotForbidden(f"{what} was let through")


def try_in_child(probe: Callable[[], Found]) -> Found:
    """Run one probe in a child and read its answer from a pipe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _answer(probe, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read()
    _, status = os.waitpid(pid, 0)
    if not text:
        return Found(False, f"the process that tried it ended with {os.waitstatus_to_exitcode(status)}")
    return Found(**json.loads(text))


def _answer(probe: Callable[[], Found], writing: int) -> NoReturn:
    try:
        found = probe()
    except NotForbidden as error:
        found = Found(False, str(error))
    except OSError as error:
        found = Found(False, error.strerror or str(error))
    except BaseException as error:
        found = Found(False, f"{type(error).__name__}: {error}"[:200])
    os.write(writing, json.dumps(asdict(found)).encode())
    os._exit(0)
