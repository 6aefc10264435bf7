"""A bare warm process beside the servers: it runs ``bench.apps.bare`` and gives it steps."""

import json
import os
import subprocess
import sys
from contextlib import suppress

from bench.client import BadAnswer
from bench.servers import ROOT
from runtime.sandbox.host.environment import template_environment

_ALLOCATOR = {name: template_environment()[name] for name in ("PYTHONMALLOC", "GLIBC_TUNABLES")}
"""The allocator of our template, because a heap on huge pages is faster, which is no merit of ours."""

_STOP_S = 10.0


class BareProcess:
    """The process, started by the ``with`` block that uses it."""

    def __enter__(self) -> "BareProcess":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.apps.bare"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **_ALLOCATOR, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def do(self, step: str, **arguments: object) -> dict[str, float]:
        """Run one step. Return seconds by name. Raises ``BadAnswer``."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": step, **arguments}) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BadAnswer("the bare process ended; what it said is above")
        told: dict[str, float] = json.loads(line)
        return told
