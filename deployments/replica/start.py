"""What every replica does first: send our log lines to its own log file, in Serve's format, and check its flags."""

import gc
import logging
import os
from typing import Final

from deployments.replica.flags import missing_flags, outdated_flags
from deployments.replica.loopback import keep_replica_port_local

log = logging.getLogger("graphside.start")

OBJECTS_A_COLLECTION: Final = 10_000
"""Python's default of 700 collects every few calls and finds next to nothing. Serve does the same in its proxies."""


def begin_replica() -> None:
    """Send ``graphside.*`` logs to Serve's handlers, keep the gRPC port local, and warn of missing or outdated flags.

    Also makes garbage collection less frequent.
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
    for flag in outdated_flags(os.environ):
        log.warning("flag.outdated %s", flag)
