"""Jobs that measure how fast data reaches the device.

Plain copies are the upper bound; then come the ways to keep data.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from tools.gpu.questions.channel import Channel
from tools.gpu.questions.machine import GIB, MIB, Machine, gb_per_s, told
from tools.gpu.questions.rig import layout

_STAGE_BYTES: Final = 64 * MIB
_ROUNDS: Final = 4


def copies(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Copy one GiB each way, from pinned memory and from memory that is not pinned."""
    machine.start()
    machine.make_ready(8 * GIB)
    import cupy
    import numpy as np

    on_device, again = cupy.empty(GIB, "u1"), cupy.empty(GIB, "u1")
    pinned = np.frombuffer(cupy.cuda.alloc_pinned_memory(GIB), "u1", GIB)
    pageable = np.ones(GIB, "u1")
    pinned[:] = 1
    return {
        "to_device_pinned": _best(lambda: on_device.set(pinned), GIB, machine),
        "to_device_pageable": _best(lambda: on_device.set(pageable), GIB, machine),
        "from_device_pinned": _best(lambda: on_device.get(out=pinned), GIB, machine),
        "from_device_pageable": _best(lambda: on_device.get(out=pageable), GIB, machine),
        "within_device": _best(lambda: cupy.copyto(again, on_device), 2 * GIB, machine),
    }


def formats(machine: Machine, channel: Channel) -> dict[str, Any]:
    """Read the same frame from each kind of file, in the page cache. Bytes are those of the frame on the device."""
    message, _ = channel.receive()
    machine.start()
    machine.make_ready(16 * GIB)
    import cudf
    import pyarrow as pa

    folder, frame = Path(message["folder"]), machine.make(int(message["rows"]))
    byte_count = int(frame.memory_usage(deep=True).sum())
    answer: dict[str, Any] = {"frame_bytes": byte_count}

    def arrow(path: Path) -> Any:
        with pa.memory_map(str(path)) as source:
            return cudf.DataFrame.from_arrow(pa.ipc.open_file(source).read_all())

    def parquet(compression: str | None) -> Callable[[Path], object]:
        return lambda path: frame.to_parquet(path, compression=compression)

    kinds: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
        "parquet": (parquet(None), cudf.read_parquet),
        "parquet_snappy": (parquet("snappy"), cudf.read_parquet),
        "parquet_zstd": (parquet("zstd"), cudf.read_parquet),
        "arrow": (lambda path: _write_arrow(frame, path), arrow),
        "block_image": (lambda path: _write_image(machine, frame, path), _image_reader(machine)),
    }
    for name, (write, read) in kinds.items():
        path = folder / name
        try:
            write(path)
            figures = _best(partial(read, path), byte_count, machine)
            answer[name] = {"file_mib": path.stat().st_size // MIB, **figures}
        except Exception as error:
            answer[name] = {"error": told(error)}
        path.unlink(missing_ok=True)
    return answer


def _write_arrow(frame: Any, path: Path) -> None:
    import pyarrow as pa

    table = frame.to_arrow()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _write_image(machine: Machine, frame: Any, path: Path) -> None:
    """Write the buffers as they lie in a block."""
    import cupy

    _, buffers = machine.pack(frame)
    spans, size = layout(buffers)
    with path.open("wb") as file:
        file.truncate(size)
        for (address, length), (offset, _) in zip(buffers, spans, strict=True):
            memory = cupy.cuda.UnownedMemory(address, length, None) if length else None
            if memory is not None:
                view = cupy.ndarray(length, "u1", cupy.cuda.MemoryPointer(memory, 0))
                file.seek(offset)
                file.write(view.get().data)


def _image_reader(machine: Machine) -> Callable[[Path], object]:
    """Read into two pinned buffers in turn, so that the file is read while the other one is copied."""
    import cupy
    import numpy as np

    stages = [np.frombuffer(cupy.cuda.alloc_pinned_memory(_STAGE_BYTES), "u1", _STAGE_BYTES) for _ in range(2)]
    streams = [cupy.cuda.Stream(non_blocking=True) for _ in stages]

    def read(path: Path) -> object:
        size = path.stat().st_size
        target = cupy.empty(size, "u1")
        with path.open("rb", buffering=0) as file:
            for number, offset in enumerate(range(0, size, _STAGE_BYTES)):
                stage, stream = stages[number % 2], streams[number % 2]
                stream.synchronize()
                length = min(_STAGE_BYTES, size - offset)
                os.preadv(file.fileno(), [stage[:length].data], offset)
                target[offset : offset + length].set(stage[:length], stream=stream)
        for stream in streams:
            stream.synchronize()
        return target

    return read


def _best(step: Callable[[], object], byte_count: int, machine: Machine) -> dict[str, float | None]:
    """Return the best round but the first, which pays for code and pages."""
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        kept = step()
        machine.wait()
        times.append(1000 * (time.perf_counter() - began))
        del kept
    best = min(times[1:])
    return {"first_ms": round(times[0], 2), "ms": round(best, 2), "gb_per_s": gb_per_s(byte_count, best)}
