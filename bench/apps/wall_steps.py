"""``python -m bench.apps.wall_steps CHILDREN WALLS``: measure each step by which a seat puts up its walls.

It forks children. Each child puts up everything that a seat puts up, with a clock between the steps. The output is
JSON: microseconds by step.
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import replace

from runtime.sandbox.guest import confine
from runtime.sandbox.walls import identity, kernel
from runtime.sandbox.walls.enclosure import Enclosure, Walls


def main(children: int, walls: Walls) -> None:
    enclosures = (Enclosure(walls), Enclosure(replace(walls, seccomp=False)))
    told: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(children):
            for name, microseconds in _child(scratch, walls, enclosures[number % 2]).items():
                told.setdefault(name, []).append(microseconds)
    print(json.dumps(told))


def _child(scratch: str, walls: Walls, enclosure: Enclosure) -> dict[str, float]:
    reading, writing = os.pipe()
    parent_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        _wall_in(scratch, walls, enclosure, writing, parent_pid)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        steps: dict[str, float] = json.loads(answer.read())
    os.waitpid(pid, 0)
    return steps


def _wall_in(scratch: str, walls: Walls, enclosure: Enclosure, writing: int, parent_pid: int) -> None:
    steps: dict[str, float] = {}
    last = time.perf_counter()

    def step(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        steps[name] = (now - last) * 1e6
        last = time.perf_counter()

    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    scratch_fd = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    last = time.perf_counter()
    confine.die_with_parent(parent_pid)
    step("death with the parent")
    confine.take_fds([0, writing, 2, scratch_fd])
    step("descriptors")
    os.nice(5)
    step("priority")
    if walls.throwaway_users:
        identity.become(identity.new_uid())
        step("throwaway user")
    enclosure.seat(3)
    step("capabilities, Landlock and seccomp" if enclosure.walls.seccomp else "capabilities, Landlock")
    os.write(1, json.dumps(steps).encode())
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), Walls(**json.loads(sys.argv[2])))
