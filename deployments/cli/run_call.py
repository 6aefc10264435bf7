"""Sends one run to the server, waits for its result, and cancels it on Ctrl-C."""

import signal
import time
from contextlib import ExitStack
from typing import Any, BinaryIO, Final  # Any: JSON values
from uuid import uuid4

import typer

from deployments.cli.connection import Server, segment
from deployments.cli.errors import CliError, Refused
from deployments.cli.progress import spinner, transfer
from deployments.cli.run_errors import explain
from deployments.cli.sizes import size
from deployments.cli.task_source import TaskSource
from deployments.cli.terminal import printable, remark, warn

_QUEUE_WAIT_S: Final = 3600.0
"""How long a run may wait in the queue, in addition to its own deadline."""

FLAGS: Final = {
    "engine": "--engine",
    "output_type": "--output-type",
    "format": "--format",
    "timeout_s": "--timeout",
    "memory_bytes": "--memory",
    "threads": "--threads",
    "run_label": "--label",
}
"""The flag of ``run`` for each field of the body."""

_STATUS_OF_CTRL_C: Final = 130
"""The status that shells give a command that Ctrl-C ended."""


class RunCall:
    """One call of the Python endpoint. The command line chooses the run's id, so that it can cancel a run in progress.

    ``fields`` are the fields of the body besides ``execute`` and ``run_id``.
    """

    def __init__(self, server: Server, dataset: str, source: TaskSource, fields: dict[str, Any]) -> None:
        self._server = server
        self._path = f"/api/v2/datasets/{segment(dataset)}/python"
        self._source = source
        self._id = uuid4().hex
        self._fields = fields
        self._stopped = ""  # what Ctrl-C led to
        self._is_answered = False

    def write_to(self, file: BinaryIO) -> str:
        """Run the task and write its result to the file. Returns the content type of the result.

        Raises ``CliError``, and ``Exit`` on Ctrl-C. The connection stays open while the run is cancelled, because a run
        whose caller has gone is recorded as abandoned.
        """
        import httpx  # noqa: F401  # now, because Ctrl-C must not interrupt an import

        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            content_type = self._write_to(file)
            if not self._stopped:
                return content_type
        except CliError as error:
            if not self._stopped:
                raise (explain(error, self._source, FLAGS) if isinstance(error, Refused) else error) from None
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGINT, before)
        warn(self._stopped)
        raise typer.Exit(_STATUS_OF_CTRL_C)

    def _interrupt(self, *_: object) -> None:
        """Cancel the run and let its answer come. Stop at once if it cannot be cancelled or has been answered."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C stops at once
        self._stopped = f"stopped; run {self._id} may not have been cancelled"
        try:
            self._server.send("POST", f"/api/v2/runs/{self._id}/cancel")
        except CliError as error:
            self._stopped = f"stopped, but run {self._id} could not be cancelled: {error.message}"
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
                    warn(f"the task ran with {engine}")
                if note := response.headers.get("x-result-note"):
                    warn(printable(note))
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
