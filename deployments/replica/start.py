"""What every replica does first. Our log lines go into its own log file, beside Serve's, with Serve's format."""

import gc
import logging
import os
from typing import Final

from deployments.launch.flags import missing_flags
from deployments.replica.loopback import keep_replica_port_local

log = logging.getLogger("graphside.start")

OBJECTS_A_COLLECTION: Final = 10_000
"""Python's 700 is a collection every few calls, which finds next to nothing. Serve does the same in its proxies."""


def begin_replica() -> None:
    """Send what ``graphside.*`` logs to Serve's handlers, keep the replica's own port local, name missing flags.

    Also has garbage collected less often.
    """
    gc.set_threshold(OBJECTS_A_COLLECTION, *gc.get_threshold()[1:])
    serve_logger = logging.getLogger("ray.serve")
    ours = logging.getLogger("graphside")
    ours.handlers = list(serve_logger.handlers)
    ours.setLevel(serve_logger.level or logging.INFO)
    ours.propagate = False
    keep_replica_port_local()
    for flag in missing_flags(os.environ):
        log.warning("flag.missing %s", flag)
