"""List what a worker with CUDA asks of the kernel beyond what seats may: ``python tools/gpu/trace.py``. Prints JSON.

A minimal worker (context, group-by, join, Parquet, then SIGKILL) runs under the filter of seats, but every refused call
is recorded and allowed. So the list has exactly what ``runtime/sandbox/walls/policy.py`` does not allow: device files
opened, ioctl requests by file, calls by name, files outside the libraries. It needs no strace and no privilege, only
Linux 5.6 or newer.

``--dry`` does the same over pandas if there is no GPU, to show that tracing itself works.
"""

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run by path: modules in this folder must not hide the standard library's
    sys.path[0] = str(ROOT)

from runtime.sandbox.walls import policy  # noqa: E402 (after the line above)
from runtime.sandbox.walls.rules import DENY  # noqa: E402
from runtime.sandbox.walls.syscalls import NUMBERS, this_architecture  # noqa: E402
from tools.gpu import notified  # noqa: E402

POLICIES: Final = {name.lower(): getattr(policy, name) for name in ("SEAT", "DEVICE_SEAT") if hasattr(policy, name)}
"""The first policy lists everything that CUDA needs; the second lists what the walls for CUDA still lack."""

DEADLINE_S: Final = 240


def cuda_work(folder: Path) -> Iterator[str]:
    """Yield the name of each phase before it begins."""
    os.environ.update(CUDA_CACHE_DISABLE="1", CUPY_CACHE_IN_MEMORY="1")  # as processes of the engine have it
    yield "import"
    import cudf
    import cupy

    yield "context"
    cupy.cuda.runtime.free(0)
    yield "first kernel"
    numbers = cudf.DataFrame({"s": range(10_000), "w": 1.5})
    numbers["d"] = numbers["s"] % 7
    yield "group-by"
    sums = numbers.groupby("d").w.sum().reset_index()
    yield "join"
    numbers.merge(sums, on="d", suffixes=("", "_sum")).sort_values("s")
    yield "text"
    numbers["s"].astype("str").str.contains("7").sum()
    yield "parquet"
    numbers.to_parquet(folder / "t.parquet")
    cudf.read_parquet(folder / "t.parquet")
    yield "arrow"
    cudf.DataFrame.from_arrow(numbers.to_arrow())
    yield "compiled in the process"
    cupy.RawKernel('extern "C" __global__ void k(int* p) { p[0] = 1; }', "k")((1,), (1,), (cupy.zeros(1, "i4"),))
    cupy.cuda.runtime.deviceSynchronize()


def host_work(folder: Path) -> Iterator[str]:
    """Do the same without a device."""
    yield "import"
    import pandas as pd

    yield "group-by"
    numbers = pd.DataFrame({"s": range(10_000), "w": 1.5})
    numbers["d"] = numbers["s"] % 7
    numbers.groupby("d").w.sum()
    yield "parquet"
    numbers.to_parquet(folder / "t.parquet")
    yield "a device"
    null = os.open("/dev/null", os.O_RDONLY)
    with suppress(OSError):
        ioctl(null, 0xC0DE)
    os.close(null)
    yield "a call that is refused"
    os.sched_setaffinity(0, os.sched_getaffinity(0))


def trace(work: Callable[[Path], Iterator[str]], against: policy.Policy) -> dict[str, Any]:
    """Run ``work`` in a process of its own. Return what it asked for beyond a policy, and which files it opened."""
    with tempfile.TemporaryDirectory() as name:
        told, telling = os.pipe()
        go, going = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(going)
            _worker(work, Path(name), {**against, "open": DENY, "openat": DENY}, telling, go)
        os.close(telling)
        os.close(go)
        try:
            return _watch(pid, told, going, Path(name))
        finally:
            os.close(told)
            os.close(going)
            if _running(pid):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _worker(work: Callable[[Path], Iterator[str]], folder: Path, watched: policy.Policy, phases: int, go: int) -> None:
    """Do the work. Never returns.

    The first line it prints is the number of its listener, each later one a phase. It waits for ``go`` in between.
    """
    try:
        os.chdir(folder)
        os.write(phases, f"{notified.put_up(watched)}\n".encode())
        os.read(go, 1)
        for phase in work(folder):
            os.write(phases, f"{phase}\n".encode())
        os.write(phases, b"done\n")
        signal.pause()
    except BaseException as error:
        os.write(phases, f"failed: {type(error).__name__}: {error}".splitlines()[0].encode() + b"\n")
    finally:
        os._exit(1)


def _watch(pid: int, told: int, going: int, folder: Path) -> dict[str, Any]:
    lines = os.fdopen(os.dup(told), "rb", buffering=0)
    first = lines.readline().decode().strip()
    if not first.isdigit():
        return {"error": first or "the worker ended before it began"}
    seen, deadline, listener = _Seen(folder), time.monotonic() + DEADLINE_S, notified.take(pid, int(first))
    os.set_blocking(told, False)
    os.write(going, b"x")

    def still() -> bool:
        seen.told += lines.read() or b""
        return not seen.finished and time.monotonic() < deadline

    try:
        for call in notified.watch(listener, pid, still):
            seen.told += lines.read() or b""
            seen.add(call)
        seen.told += lines.read() or b""
        began = time.monotonic()
        if _running(pid):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return {**seen.summary(), "kill_ms": round(1000 * (time.monotonic() - began), 1)}
    finally:
        os.close(listener)
        lines.close()


def _running(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False


def _unlisted() -> dict[int | None, str]:
    """Return the names of calls that no policy of ours names, from the kernel's headers if they are installed."""
    headers = sorted(Path("/usr/include").glob("*/asm/unistd_64.h"))
    text = headers[0].read_text() if headers and os.uname().machine == "x86_64" else ""
    return {int(number): name for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.MULTILINE)}


class _Seen:
    """What was asked for, by phase."""

    def __init__(self, folder: Path) -> None:
        architecture = this_architecture()
        assert architecture is not None  # the filter went up
        self._names = {**_unlisted(), **{row[architecture.column]: name for name, row in NUMBERS.items()}}
        self._folder = folder
        self._calls: dict[str, Counter[str]] = defaultdict(Counter)
        self._requests: dict[str, Counter[str]] = defaultdict(Counter)
        self._files: dict[str, str] = {}
        self.told = b""

    @property
    def finished(self) -> bool:
        return self._phases[-1].startswith(("done", "failed"))

    @property
    def _phases(self) -> list[str]:
        return ["start", *self.told.decode(errors="replace").splitlines()]

    def add(self, call: notified.Call) -> None:
        name = self._names.get(call.number, f"number {call.number}")
        try:
            if name in ("open", "openat"):
                self._files.setdefault(call.path(1 if name == "openat" else 0), self._phases[-1])
            elif name == "ioctl":
                self._requests[call.file(0)][f"{call.arguments[1] & 0xFFFFFFFF:#x}"] += 1
            else:
                arguments = " ".join(f"{value:#x}" for value in call.arguments[:4])
                self._calls[name][
                    f"{self._phases[-1]}, first with {arguments}" if name not in self._calls else self._phases[-1]
                ] += 1
        except OSError as error:  # its thread was killed meanwhile
            self._calls[name][f"not readable: {error.strerror}"] += 1

    def summary(self) -> dict[str, Any]:
        libraries = (sys.prefix, sys.base_prefix, str(ROOT), str(self._folder), *{path for path in sys.path if path})
        devices = {path: phase for path, phase in self._files.items() if path.startswith("/dev/")}
        others = {
            path: phase
            for path, phase in self._files.items()
            if path not in devices and os.path.exists(path) and not path.startswith(libraries)
        }
        failed = [phase for phase in self._phases if phase.startswith("failed")]
        return {
            **({"error": failed[0]} if failed else {}),
            "phases": self._phases[1:],
            "device_files": devices,
            "ioctl_requests": {path: dict(sorted(count.items())) for path, count in sorted(self._requests.items())},
            "not_in_policy": {name: dict(count) for name, count in sorted(self._calls.items())},
            "other_files": dict(sorted(others.items())),
        }


def main() -> int:
    """Return the exit status: 1 if the worker failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true", help="pandas instead of cuDF")
    parser.add_argument(
        "--against", choices=POLICIES, default="seat", help="a policy; default: that of seats without GPU"
    )
    options = parser.parse_args()
    try:
        found = trace(host_work if options.dry else cuda_work, POLICIES[options.against])
    except OSError as error:
        found = {"error": f"OSError: {error}"}
    print(json.dumps(found, indent=1))
    return 1 if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main())
