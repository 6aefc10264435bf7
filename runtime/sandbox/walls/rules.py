"""What a system-call filter can say of a call: let it through, answer with an error, or look at an argument first."""

import errno
from dataclasses import dataclass
from typing import Final

OWN_PID: Final = -1
"""Stands for the pid of the process that puts the filter up."""


@dataclass(frozen=True, slots=True)
class Answer:
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
class When:
    """The call happens where every check holds; else ``otherwise``."""

    checks: tuple[Check, ...]
    otherwise: Answer = Answer(errno.EPERM)


@dataclass(frozen=True, slots=True)
class Allow:
    """The call happens."""


Rule = Allow | Answer | When

ALLOW: Final = Allow()
DENY: Final = Answer(errno.EPERM)
PRETEND: Final = Answer(0)
UNKNOWN: Final = Answer(errno.ENOSYS)
UNSUPPORTED: Final = Answer(errno.EOPNOTSUPP)
