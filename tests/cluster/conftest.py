"""Where runs take place, which the tests of several runners ask."""

import os
from pathlib import Path

import psutil

from tests.conftest import LiveServer

HOLDER = "import os\ndef task(g): return f'{os.readlink(\"/proc/self/ns/pid\")} {os.getppid()}'"
"""The process that the task's own was forked from, in words that hold inside of a namespace, too."""


def template_of(server: LiveServer, holder: str) -> int:
    """The pid of the template of the runner that a holder belongs to; ``holder`` is what ``HOLDER`` returned."""
    namespace, inner = holder.split()
    for process in server.processes():
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            if os.readlink(f"/proc/{process.pid}/ns/pid") != namespace:
                continue
        except FileNotFoundError:  # ended meanwhile
            continue
        pids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        if pids[-1] == inner:
            return psutil.Process(process.pid).ppid()
    raise AssertionError(f"no process of the server is {holder}")
