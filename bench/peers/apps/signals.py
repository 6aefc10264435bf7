"""How servers of peers wait for their end."""

import signal
import threading


def wait_for_end() -> None:
    """Wait for SIGTERM or SIGINT. Not with ``sigwait``, because that needs both blocked, in children too."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    told.wait()
