"""Brings a process that is kept for its user's next run back to where it began, as far as a run does so by accident.

A task can change much more than this; ``reused_seats`` says so. If the process cannot be brought back, it ends.
"""

import os
import resource
import signal
from typing import Final

_LIMITS: Final = tuple(
    value for name, value in sorted(vars(resource).items()) if name.startswith("RLIMIT_") and name != "RLIMIT_CPU"
)
"""Limits that a run does not change by itself. That of CPU time is set for each run."""

_TIMERS: Final = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)

# A task may change any module that it can import.
_chdir, _umask, _getrlimit, _setitimer = os.chdir, os.umask, resource.getrlimit, signal.setitimer
_CPU: Final = resource.RLIMIT_CPU


class Beginning:
    """The working directory, the mask of new files and the limits of this process. Make it before the first task."""

    def __init__(self) -> None:
        self._directory = os.getcwd()
        self._mask = _umask(0)
        _umask(self._mask)
        self._limits = _limits()

    def restore(self) -> bool:
        """Return to the beginning. Return False if that is not possible, because a task has lowered a limit."""
        for timer in _TIMERS:
            _setitimer(timer, 0)
        _umask(self._mask)
        try:
            _chdir(self._directory)
        except OSError:
            return False
        return _limits() == self._limits


def _limits() -> list[int | tuple[int, int]]:
    return [_getrlimit(_CPU)[1], *(_getrlimit(which) for which in _LIMITS)]
