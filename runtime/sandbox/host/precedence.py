"""Sends a process that has used much CPU time to the back, so that short runs and the server go before it.

The kernel counts niceness for each thread, and a new thread inherits it. Without privilege niceness never falls again,
so a process that went to the back serves no other run.
"""

import logging
import os
from contextlib import suppress
from typing import Final

from runtime.sandbox.host.children import Child
from runtime.sandbox.host.gauge import Gauge

log = logging.getLogger("graphside.sandbox")

MUCH_CPU_S: Final = 0.2
"""CPU time of all threads together after which a process goes to the back. Most runs use a tenth of it."""

BACK: Final = 19
"""The niceness of those at the back. They share what the others leave, which is little for one thread of 63, too."""


class Precedence:
    """The precedence of one process over others."""

    def __init__(self, child: Child, gauge: Gauge) -> None:
        self._child = child
        self._gauge = gauge
        self._is_permitted = True
        self.is_at_the_back = False

    def look(self) -> None:
        """Send the process to the back if it has used much. Look again later for threads that it was just starting."""
        if self._is_permitted and (self.is_at_the_back or self._gauge.cpu_s() >= MUCH_CPU_S):
            self.is_at_the_back = True
            self._send_threads()

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
            if os.getpriority(os.PRIO_PROCESS, thread) < BACK:
                os.setpriority(os.PRIO_PROCESS, thread, BACK)
        except PermissionError:  # the run has a user of its own, and this process may not change its priority
            self._is_permitted = False
            log.warning("precedence.not_permitted pid=%d", self._child.pid)
