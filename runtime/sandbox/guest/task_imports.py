"""Imports modules in the template that an operator names, so that no run has to wait for them.

A module that fails, or that starts a thread (a fork beside a second thread may hang), is told to the replica, which
starts the template again without it.
"""

import importlib
import logging
import os
import sys
import tempfile
from collections.abc import Sequence

from runtime.sandbox.guest import confine

log = logging.getLogger("graphside.template")


class ImportRefused(Exception):
    """A module cannot be imported in the template."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


def import_all(names: Sequence[str], threads: confine.Threads) -> None:
    """Import the modules in their order. Raises ``ImportRefused`` for the first that cannot be."""
    if not names:
        return
    home, path = os.environ["HOME"], list(sys.path)
    with tempfile.TemporaryDirectory(prefix="graphside-imports-") as directory:
        os.environ["HOME"] = directory  # some libraries write to it when they are imported
        try:
            for name in names:
                log.info("template.imports module=%s", name)
                _import(name, threads)
        finally:
            os.environ["HOME"] = home
            sys.path[:] = path
            tempfile.tempdir = None  # a run asks for its own


def _import(name: str, threads: confine.Threads) -> None:
    try:
        importlib.import_module(name)
    except BaseException as error:  # a boundary: a library may raise anything, also SystemExit
        raise ImportRefused(name, f"{type(error).__name__}: {error}") from error
    if not threads.only_one():
        raise ImportRefused(name, "it starts a thread when it is imported, and a process with threads cannot be forked")
