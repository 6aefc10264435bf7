"""The rules of system-call filters: allow a call, answer it with an error, or decide by its arguments."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Final

OWN_PID: Final = -1
"""A placeholder for the pid of the process that puts the filter up."""


@dataclass(frozen=True, slots=True)
class ErrnoAnswer:
    """The call does not happen and returns this error. ``errno`` 0: the caller sees success."""

    errno: int


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on one argument (0-5): its lower 32 bits, masked, are one of ``values``.

    ``whole``: its upper 32 bits must be zero too, as for pointers. ``negate``: it must be none of ``values``.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    whole: bool = False
    negate: bool = False


@dataclass(frozen=True, slots=True)
class AtMost:
    """A condition on one argument (0-5): its lower 32 bits, unsigned, are at most ``most``."""

    argument: int
    most: int


@dataclass(frozen=True, slots=True)
class Allow:
    """The call happens."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The process that listens to the filter decides (``watches.py``)."""


@dataclass(frozen=True, slots=True)
class When:
    """``then`` applies if every check holds, else ``otherwise``. Both may be such choices themselves."""

    checks: tuple[Check | AtMost, ...]
    otherwise: Rule = ErrnoAnswer(errno.EPERM)
    then: Rule = Allow()


Rule = Allow | Ask | ErrnoAnswer | When

ALLOW: Final = Allow()
ASK: Final = Ask()
DENY: Final = ErrnoAnswer(errno.EPERM)
PRETEND: Final = ErrnoAnswer(0)
INVALID: Final = ErrnoAnswer(errno.EINVAL)
UNKNOWN: Final = ErrnoAnswer(errno.ENOSYS)
UNSUPPORTED: Final = ErrnoAnswer(errno.EOPNOTSUPP)
