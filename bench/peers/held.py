"""A running command with all processes that come of it, its log, and the processor time that they use."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.servers import ROOT, StartFailed

STOP_S = 10.0
_GONE_S = 20.0
_POLL_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_LOG_LINES = 12


@dataclass(frozen=True, slots=True)
class Leavings:
    """How a command stopped.

    ``ended``: the command ended by itself when told to. ``left``: how many of its processes were still there then; they
    were killed.
    """

    ended: bool
    left: int


@dataclass(slots=True)
class Held:
    """A running command under ``bench.peers.hold``. The caller that starts it must stop it."""

    log: Path
    _holder: subprocess.Popen[bytes] = field(repr=False)

    @classmethod
    def start(cls, command: Sequence[str], environment: Mapping[str, str], log: Path) -> "Held":
        """Start a command in the root of the project, which it can import.

        ``environment`` is added to ours, without what is set for graphside and for Ray.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "GRAPHSIDE_"))}
        with log.open("wb") as output:
            holder = subprocess.Popen(
                [sys.executable, "-m", "bench.peers.hold", str(STOP_S), *command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, cwd=ROOT, start_new_session=True,
                env={**kept, "PYTHONPATH": str(ROOT), **environment},
            )  # fmt: skip
        return cls(log, holder)

    @property
    def pid(self) -> int:
        """The pid of the ancestor of all its processes."""
        return self._holder.pid

    def wait(self, ready: Callable[[], bool], within_s: float) -> None:
        """Return once ``ready()`` is true. Else stop the command and raise ``StartFailed`` with the end of the log."""
        deadline = time.monotonic() + within_s
        while not ready():
            ended = self._holder.poll() is not None
            if ended or time.monotonic() > deadline:
                self.stop()
                lines = self.log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
                what = "it ended" if ended else f"not ready within {within_s:g} s"
                raise StartFailed("\n".join([f"{what}: {lines[-1] if lines else 'it said nothing'}", *lines]))
            time.sleep(_POLL_S)

    def stop(self) -> Leavings:
        """Stop the command in order, then kill what it left. Idempotent: a second call returns the same."""
        holder = self._holder
        if holder.stdin is not None and not holder.stdin.closed:
            holder.stdin.close()
        assert holder.stdout is not None
        if holder.stdout.closed:
            return Leavings(True, 0)
        with holder.stdout as words:
            told = words.readline() if select.select([words], [], [], STOP_S + _GONE_S)[0] else b""
        holder.wait(_GONE_S)
        said = json.loads(told or b'{"ended": false, "left": 0, "stubborn": 0}')
        if said["stubborn"]:
            raise StartFailed(f"{said['stubborn']} processes of a peer do not end")
        return Leavings(said["ended"], said["left"])


def tree_cpu_s(root: int) -> float:
    """Return the CPU seconds that ``root`` and everything below it have used, with the children that they reaped.

    Zombies count, because otherwise their time would appear only when they are reaped.
    """
    below: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and (fields := _stat(entry.name)):
            pid = int(entry.name)
            below.setdefault(int(fields[1]), []).append(pid)
            used[pid] = sum(map(int, fields[11:15])) / _TICKS  # its own time, and that of reaped children
    total, level = used.get(root, 0.0), [root]
    while level:
        level = [child for pid in level for child in below.get(pid, ())]
        total += sum(used[pid] for pid in level)
    return total


def _stat(pid: str) -> list[bytes]:
    """Return the fields after the name in its line (proc(5)), or nothing if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text[text.rindex(b")") + 2 :].split()
