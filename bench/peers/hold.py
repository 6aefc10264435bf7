"""``python -m bench.peers.hold STOP_S COMMAND…``: run a command and answer for every process that comes of it.

As a subreaper it stays the ancestor of all daemons and orphans that the command makes. So their CPU can be counted, and
none outlives a benchmark. When its standard input ends, it sends SIGTERM to the command, and kills what lives after
``STOP_S`` seconds. Then it prints JSON: ``ended`` (the command stopped when told to) and ``left`` (how many processes
were still there).
"""

import json
import os
import select
import subprocess
import sys
import time

import psutil

from deployments.launch.machine.processes import become_subreaper, descendants, kill, reap_orphans

_REAP_S = 5.0
_TICK_S = 0.1
_FORCE_S = 5.0
_SETTLE_S = 2.0


def main(stop_s: float, command: list[str]) -> None:
    become_subreaper()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    ended = os.pidfd_open(child.pid)
    while not select.select([sys.stdin, ended], [], [], _REAP_S)[0]:
        reap_orphans(keep=(child.pid,))
    child.terminate()
    deadline = time.monotonic() + stop_s
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(_TICK_S)
    settled = time.monotonic() + _SETTLE_S  # its children may end just after it
    while _others(child.pid) and time.monotonic() < settled:
        reap_orphans(keep=(child.pid,))
        time.sleep(_TICK_S)
    told = {"ended": child.returncode is not None, "left": len(_others(child.pid))}
    stubborn = kill(descendants(psutil.Process()), within_s=_FORCE_S)
    print(json.dumps({**told, "stubborn": len(stubborn)}), flush=True)


def _others(pid: int) -> list[int]:
    return [process.pid for process in descendants(psutil.Process()) if process.pid != pid]


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
