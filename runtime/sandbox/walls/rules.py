"""What a system-call filter can say of a call: let it through, answer with an error, or look at an argument first."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Final

OWN_PID: Final = -1
"""Stands for the pid of the process that puts the filter up."""


@dataclass(frozen=True, slots=True)
class ErrnoAnswer:
    """The call does not happen. ``errno`` 0: its caller is told that it did."""

    errno: int


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on one argument (0-5): its lower 32 bits, masked, are one of ``values``.

    ``whole``: its upper 32 bits must be zero, as for pointers. ``negate``: the condition is that it is none of them.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    whole: bool = False
    negate: bool = False


@dataclass(frozen=True, slots=True)
class AtMost:
    """A condition on one argument (0-5): its lower 32 bits, without a sign, are no more than ``most``."""

    argument: int
    most: int


@dataclass(frozen=True, slots=True)
class Allow:
    """The call happens."""


@dataclass(frozen=True, slots=True)
class When:
    """``then`` where every check holds; else ``otherwise``. Each may be such a choice itself."""

    checks: tuple[Check | AtMost, ...]
    otherwise: Rule = ErrnoAnswer(errno.EPERM)
    then: Rule = Allow()


Rule = Allow | ErrnoAnswer | When

ALLOW: Final = Allow()
DENY: Final = ErrnoAnswer(errno.EPERM)
PRETEND: Final = ErrnoAnswer(0)
INVALID: Final = ErrnoAnswer(errno.EINVAL)
UNKNOWN: Final = ErrnoAnswer(errno.ENOSYS)
UNSUPPORTED: Final = ErrnoAnswer(errno.EOPNOTSUPP)
