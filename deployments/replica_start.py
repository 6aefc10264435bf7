"""What every replica does first. Our log lines go into its own log file, beside Serve's, with Serve's format."""

import logging
import os

from deployments.launch.flags import missing_flags
from deployments.launch.loopback import keep_replica_port_local

log = logging.getLogger("graphside.start")


def begin_replica() -> None:
    """Send what ``graphside.*`` logs to Serve's handlers, keep the replica's own port local, name missing flags."""
    serve_logger = logging.getLogger("ray.serve")
    ours = logging.getLogger("graphside")
    ours.handlers = list(serve_logger.handlers)
    ours.setLevel(serve_logger.level or logging.INFO)
    ours.propagate = False
    keep_replica_port_local()
    for flag in missing_flags(os.environ):
        log.warning("flag.missing %s", flag)
