"""A command on a terminal of its own: what it shows, what is typed to it, its exit status."""

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from tests.waiting import WITHIN_S

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """``with Terminal("run", "task.py") as terminal``: the command line, on a pseudo-terminal that it controls.

    ``stdout``: where standard output goes instead of to the terminal.
    """

    def __init__(
        self,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        columns: int = 100,
        stdout: BinaryIO | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.shown = ""
        # A shell without job control starts what it puts into the background with Ctrl-C ignored.
        self._process = subprocess.Popen(
            ["env", "--default-signal=INT", "setsid", "--ctty", sys.executable, "-m", "deployments.cli", *arguments],
            stdin=theirs, stdout=theirs if stdout is None else stdout, stderr=theirs, cwd=cwd,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": os.getcwd(), **(variables or {})},
        )  # fmt: skip
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._ours)

    @property
    def text(self) -> str:
        """What was shown, without colours and movements of the cursor."""
        return _ESCAPES.sub("", self.shown).replace("\r\n", "\n").replace("\r", "")

    def until(self, text: str) -> None:
        """Returns once that was shown."""
        deadline = time.monotonic() + WITHIN_S
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.text[-2000:]}"
            assert self._read(), f"it ended without {text!r}: {self.text[-2000:]}"

    def type(self, text: str) -> None:
        """As if on its keyboard; ``\\x03`` is Ctrl-C."""
        os.write(self._ours, text.encode())

    def end(self) -> int:
        """Its exit status, once it has ended and all that it wrote was read."""
        deadline = time.monotonic() + WITHIN_S
        while self._read():
            assert time.monotonic() < deadline, f"it does not end: {self.text[-2000:]}"
        return self._process.wait(WITHIN_S)

    def _read(self) -> bool:
        """Takes what there is; False once nobody can write any more."""
        if not select.select([self._ours], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # EIO: the last one who had it open has closed it
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)
