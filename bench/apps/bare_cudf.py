"""``python -m bench.apps.bare_cudf FILE``: run tasks on a cuDF frame in one warm process without walls.

The process reads one task's text a line, as JSON, and answers each with ``run_ms`` and ``result``. Its first line says
how long loading took.
"""

import json
import os
import sys
import time
from typing import Any, Final

import cupy
import pyarrow as pa
from graphistry.pygraphistry import bind

from runtime.sandbox.guest.device.cudf_frames import CudfFrames

_LIMIT_BYTES: Final = 24 << 30


def main() -> None:
    """Run tasks until standard input ends."""
    frames = CudfFrames()
    frames.begin(_LIMIT_BYTES)
    began = time.perf_counter()
    frame = frames.from_arrow(pa.ipc.open_file(pa.memory_map(sys.argv[1])).read_all())
    cupy.cuda.runtime.deviceSynchronize()
    byte_count = os.stat(sys.argv[1]).st_size
    _say({"load_ms": _ms(began), "gb_per_s": round(byte_count / (time.perf_counter() - began) / 1e9, 2)})
    for line in sys.stdin:
        names: dict[str, Any] = {}
        exec(compile(json.loads(line), "<task>", "exec"), names)
        graph = bind().edges(frame.copy(deep=False), "s", "d")
        began = time.perf_counter()
        result = names["task"](graph)
        cupy.cuda.runtime.deviceSynchronize()
        _say({"run_ms": _ms(began), "result": result})


def _ms(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 3)


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
