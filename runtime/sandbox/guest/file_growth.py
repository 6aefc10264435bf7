"""Limits the size of files in scratch, and tells whether that limit refused a write.

The kernel refuses a write past the limit with EFBIG and sends SIGXFSZ. Libraries wrap the error or hide it, so the
signal is the better witness.
"""

import errno
import resource
import signal
from types import FrameType
from typing import Any, Final

from runtime.sandbox.guest import confine

_REFUSALS: Final = (errno.EFBIG, errno.EDQUOT)
_FARTHEST: Final = 16
"""How many exceptions of a chain are looked at."""

# Attributes as the base classes have them, because a task may have written the class of an error.
_cause: Final[Any] = BaseException.__cause__
_context: Final[Any] = BaseException.__context__
_errno: Final[Any] = OSError.errno
_refused = False


def watch() -> None:
    """Notice refusals from now on."""
    signal.signal(signal.SIGXFSZ, _notice)


def limit(most_bytes: int) -> None:
    """Refuse files larger than this, for good. Forget what was refused before."""
    global _refused
    _refused = False
    confine.limit(resource.RLIMIT_FSIZE, most_bytes)


def was_refused(error: BaseException) -> bool:
    """Return whether a file could not grow before a task ended with this error."""
    return _refused or any(_is_refusal(one) for one in _chain(error))


def _notice(_: int, __: FrameType | None) -> None:
    global _refused
    _refused = True


def _is_refusal(error: BaseException) -> bool:
    return issubclass(type(error), OSError) and _errno.__get__(error) in _REFUSALS


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error with what caused it."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and len(found) < _FARTHEST:
        found.append(one)
        one = _cause.__get__(one) or _context.__get__(one)
    return found
