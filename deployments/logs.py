"""Where our log lines go: into the replica's own log file, beside Serve's, with Serve's format."""

import logging
import os

from deployments.launch.flags import missing_flags

log = logging.getLogger("graphside.start")


def join_serve_log() -> None:
    """Send what ``graphside.*`` logs to Serve's handlers, and say which environment flags this replica misses."""
    serve_logger = logging.getLogger("ray.serve")
    ours = logging.getLogger("graphside")
    ours.handlers = list(serve_logger.handlers)
    ours.setLevel(serve_logger.level or logging.INFO)
    ours.propagate = False
    for flag in missing_flags(os.environ):
        log.warning("flag.missing %s", flag)
