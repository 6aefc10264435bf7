"""One run of a task at the server: sent, waited for, received, and cancelled on Ctrl-C."""

import signal
import time
from contextlib import ExitStack
from typing import Any, BinaryIO, Final  # Any: JSON values
from uuid import uuid4

import typer

from deployments.cli.connection import Server, segment
from deployments.cli.doctor.findings import size
from deployments.cli.errors import CliError, Refused
from deployments.cli.progress import spinner, transfer
from deployments.cli.run_errors import explain
from deployments.cli.task_source import TaskSource
from deployments.cli.terminal import printable, remark, warn

_QUEUE_WAIT_S: Final = 3600.0
"""What a run may wait for its turn, beyond its own time."""

_STATUS_OF_CTRL_C: Final = 130
"""As shells have it."""


class RunCall:
    """Has an id before it is sent, so that it can be cancelled while it is waited for.

    ``fields``: those of the body beside ``execute``.
    """

    def __init__(self, server: Server, dataset: str, source: TaskSource, fields: dict[str, Any]) -> None:
        self._server = server
        self._path = f"/api/v2/datasets/{segment(dataset)}/python"
        self._source = source
        self._id = uuid4().hex
        self._fields = fields
        self._stopped = ""  # what became of Ctrl-C
        self._is_answered = False

    def write_to(self, file: BinaryIO) -> str:
        """Have it run and its result written. Returns the content type.

        Raises ``CliError``, and ``Exit`` on Ctrl-C: the run is cancelled while its connection stands, since one that
        its caller leaves ends as abandoned.
        """
        import httpx  # noqa: F401  # now, or Ctrl-C could come in the middle of it

        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            content_type = self._write_to(file)
            if not self._stopped:
                return content_type
        except CliError as error:
            if not self._stopped:
                raise (explain(error, self._source) if isinstance(error, Refused) else error) from None
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGINT, before)
        warn(self._stopped)
        raise typer.Exit(_STATUS_OF_CTRL_C)

    def _interrupt(self, *_: object) -> None:
        """Cancels the run, and lets its answer come; ends the wait where there is none to wait for."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second one ends it at once
        self._stopped = f"stopped; run {self._id} may not have been cancelled"
        try:
            self._server.send("POST", f"/api/v2/runs/{self._id}/cancel")
        except CliError as error:
            self._stopped = f"stopped, and run {self._id} could not be cancelled: {error.message}"
            raise KeyboardInterrupt from None
        self._stopped = f"run {self._id} is cancelled"
        if self._is_answered:
            raise KeyboardInterrupt

    def _write_to(self, file: BinaryIO) -> str:
        body = {"execute": self._source.text, "run_id": self._id, **self._fields}
        wait_s = _QUEUE_WAIT_S + self._fields.get("timeout_s", 0)
        began = time.monotonic()
        with ExitStack() as waiting:
            waiting.enter_context(spinner("running"))
            with self._server.exchange("POST", self._path, json=body, wait_s=wait_s) as response:
                self._is_answered = True
                waiting.close()
                engine, length = response.headers.get("x-engine"), response.headers.get("content-length", "")
                if engine:
                    warn(f"it ran with {engine}")
                written = 0
                with transfer("receiving", int(length) if length.isdecimal() else None) as advance:
                    for chunk in response.iter_bytes():
                        file.write(chunk)
                        written += len(chunk)
                        advance(len(chunk))
                file.flush()
        name = printable(response.headers.get("x-run-id", self._id))
        remark(f"run {name}: {size(written)} in {time.monotonic() - began:.1f} s")
        return str(response.headers.get("content-type", ""))
