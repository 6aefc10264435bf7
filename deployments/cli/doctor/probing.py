"""Runs a probe of this folder in a process that may crash, hang, or change itself beyond repair."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any  # JSON values

_PROBE_S = 60.0


class ProbeFailed(Exception):
    """The process ended, or did not end, without an answer. The message says how."""


def run_probe(name: str) -> dict[str, Any]:
    """What ``name.py`` prints. It runs isolated from the environment and site packages. Raises ``ProbeFailed``."""
    with subprocess.Popen(
        [sys.executable, "-IS", str(Path(__file__).with_name(f"{name}.py"))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            said, complaints = process.communicate(timeout=_PROBE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise ProbeFailed(f"no answer within {_PROBE_S:.0f} s") from None
    if process.returncode != 0:
        last = complaints.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
        raise ProbeFailed(last[0])
    answer: dict[str, Any] = json.loads(said)
    return answer
