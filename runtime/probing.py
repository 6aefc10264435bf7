"""Ask a question of this machine in a child process, because the answer may crash, hang or change the process.

A *probe* is a Python program that prints one JSON value as its last line.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any  # JSON values


class ProbeFailed(Exception):
    """The probe gave no answer. The message is one line that says how it ended."""


class ProbeHangs(ProbeFailed):
    """The probe did not end in time."""


def run_probe(*program: str, timeout_s: float, environment: Mapping[str, str] | None = None) -> Any:
    """Run Python with the arguments ``program`` and return the JSON value of the last line that it prints.

    ``environment``: None passes on this process's own. Raises ``ProbeFailed``; kills what the probe itself started.
    """
    with subprocess.Popen(
        [sys.executable, *program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            said, complaints = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # a child of the probe would hold the pipes open
            raise ProbeHangs(f"no answer within {timeout_s:g} s") from None
    if process.returncode != 0:
        last = complaints.decode(errors="replace").strip().splitlines()[-1:]
        raise ProbeFailed(last[0] if last else _how_it_ended(process.returncode))
    try:
        return json.loads(said.splitlines()[-1])  # a library may have complained before
    except (IndexError, ValueError):
        raise ProbeFailed("it ended without an answer") from None


def _how_it_ended(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
