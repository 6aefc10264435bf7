"""How servers of peers wait for their end."""

import signal
import threading


def wait_for_end() -> None:
    """Until SIGTERM or SIGINT. Not ``sigwait``, for which both would have to be blocked, in children too."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    told.wait()
