"""Sends a process that uses much of the processors to the back, so that short runs and the server go before it.

The back is the kernel's idle class: whoever else wakes up goes first, at once. Niceness would not do, because the
kernel counts it for each thread: 63 threads at nice 19 outweigh a run at nice 5. New threads inherit the class. Without
privilege nobody leaves it again, so a process that went to the back serves no other run, unless this one may call it
back.
"""

import logging
import os
from contextlib import suppress
from typing import Final

from runtime.sandbox.host.children import Child
from runtime.sandbox.host.gauge import Gauge
from runtime.task import usual_threads

log = logging.getLogger("graphside.sandbox")

MUCH_CPU_S: Final = 0.15
"""CPU time of all threads together after which a process goes to the back: about twenty times that of a short run."""

_MANY_THREADS: Final = usual_threads()
"""A process with more threads goes to the back at once: they would soon have used much, and be in the way till then."""


class Precedence:
    """The precedence of one process over others."""

    def __init__(self, child: Child, gauge: Gauge) -> None:
        self._child = child
        self._gauge = gauge
        self._is_permitted = True
        self.is_at_the_back = False

    def look(self) -> None:
        """Send the process to the back if it uses much. Look again later, for threads that it was just starting."""
        if self._is_permitted and (self.is_at_the_back or self._uses_much()):
            self.is_at_the_back = True
            self._send_threads()

    def come_back(self) -> bool:
        """Undo it for the first thread, the only one that a process which serves another run will have. Return whether
        that was possible: it needs privilege."""
        if self.is_at_the_back and not self._child.dead:
            with suppress(PermissionError, ProcessLookupError):
                os.sched_setscheduler(self._child.pid, os.SCHED_OTHER, os.sched_param(0))
                self.is_at_the_back = False
        return not self.is_at_the_back

    def _uses_much(self) -> bool:
        return self._gauge.threads > _MANY_THREADS or self._gauge.cpu_s() >= MUCH_CPU_S

    def _send_threads(self) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            threads = [int(name) for name in os.listdir(f"/proc/{self._child.pid}/task")]
            if self._child.dead:  # the numbers may be those of others by now
                return
            for thread in threads:
                with suppress(ProcessLookupError):
                    self._send(thread)

    def _send(self, thread: int) -> None:
        try:
            if os.sched_getscheduler(thread) != os.SCHED_IDLE:
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
        except PermissionError:  # the run has a user of its own, and this process may not change its priority
            self._is_permitted = False
            log.warning("precedence.not_permitted pid=%d", self._child.pid)
