"""``python -m bench.apps.forks bare|template|holder [TABLE]``: measure how long forking and reaping a child takes.

``bare`` is the interpreter alone. ``template`` has done what a template does before it forks. ``holder`` is forked from
a template and has a dataset as a holder has it. Each number on standard input asks for so many children, one after the
other. The answer is JSON: ``wall_us`` and ``cpu_us`` of each child, with the child's own time, and ``page_table_kb`` of
the parent.
"""

import gc
import json
import os
import resource
import sys
import time
from typing import Any  # a Plottable

_PAYLOAD = {
    "name": "bench",
    "metadata": {},
    "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
    "node_encodings": {"bindings": {}},
}


def main(kind: str, table: str) -> None:
    """Fork what is asked for until standard input ends."""
    kept: Any = None
    if kind != "bare":
        _be_template()
    if kind == "holder" and (pid := os.fork()) != 0:
        os.waitpid(pid, 0)
        return
    if kind == "holder":
        kept = _load(table)
        gc.collect()
        gc.freeze()
    print(json.dumps({"ready": kind}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_measure(int(line))), flush=True)
    del kept


def _be_template() -> None:
    from runtime.sandbox.guest import surroundings, warmup
    from runtime.sandbox.guest.template import BLOCKED_MODULES, DEVICE_MODULES

    sys.modules.update(dict.fromkeys((*BLOCKED_MODULES, *DEVICE_MODULES)))  # type: ignore[arg-type]
    warmup.warm_up()
    surroundings.remember_own_modules()
    gc.collect()
    gc.freeze()


def _load(table: str) -> Any:
    from runtime.datasets.frames import map_frame
    from runtime.datasets.plottable import build_plottable

    descriptor = os.open(table, os.O_RDONLY)
    try:
        return build_plottable(map_frame(descriptor), None, _PAYLOAD)
    finally:
        os.close(descriptor)


def _measure(children: int) -> dict[str, object]:
    wall, cpu = [], []
    for _ in range(children):
        used, began = _cpu_s(), time.perf_counter()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        wall.append((time.perf_counter() - began) * 1e6)
        cpu.append((_cpu_s() - used) * 1e6)
    return {"wall_us": wall, "cpu_us": cpu, "page_table_kb": _page_table_kb()}


def _cpu_s() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def _page_table_kb() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmPTE:"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
