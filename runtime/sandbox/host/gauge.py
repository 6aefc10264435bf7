"""Measures what no kernel limit counts for one process: its resident memory as a whole, and its threads."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_COUNTED = re.compile(rb"\n(?:RssAnon|RssShmem|VmSwap|VmPTE):\s*(\d+) kB")
_THREADS = re.compile(rb"\nThreads:\s*(\d+)")
_PEAK_OF_RESIDENT_MEMORY = b"5"
"""What ``/proc/<pid>/clear_refs`` takes to forget it (proc(5)). Nothing else changes."""


class Gauge:
    """Reads what one process has used since the gauge was made: private and shared anonymous memory, page tables
    included, and CPU time.

    ``threads``: how many it had at the last reading. ``main_thread_exited``: its first thread had ended by then. The
    kernel then no longer shows its memory or files, although other threads may go on.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak_fd: int | None = None
        self._fd = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
        self._stat_fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        self._base = self._read()
        self._base_cpu_s = 0.0
        self.peak_bytes = 0
        self.threads = 1
        self.main_thread_exited = False

    def begin(self) -> None:
        """Count CPU from here on. Memory counts from when the gauge was made: what an earlier run left is included."""
        self._base_cpu_s += self.cpu_s()

    def begin_anew(self) -> None:
        """Count memory, its peak and CPU from here on, for a process that was put back to its beginning.

        The process's own peak (``VmHWM``, ``ru_maxrss``) is forgotten as well, so that its next run does not see it.
        """
        self._forget_peak()
        self._base = self._read()
        self.peak_bytes = 0
        self.begin()

    def used_bytes(self) -> int:
        """Return the bytes taken since the gauge was made; 0 once the process has ended."""
        status = self._read()
        self.threads, self.main_thread_exited = status.threads, status.main_thread_exited
        used = max(0, status.counted_bytes - self._base.counted_bytes)
        self.peak_bytes = max(self.peak_bytes, used)
        return used

    def cpu_s(self) -> float:
        """Return the seconds of CPU that all its threads have used since ``begin``; 0 once the process has ended."""
        try:
            stat = os.pread(self._stat_fd, 1024, 0)
        except ProcessLookupError:
            return 0.0
        fields = stat[stat.rindex(b")") + 2 :].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND - self._base_cpu_s

    def close(self) -> None:
        for fd in (self._fd, self._stat_fd, self._peak_fd):
            if fd is not None:
                os.close(fd)

    def _forget_peak(self) -> None:
        with suppress(
            OSError
        ):  # it has ended, or this process may not: its user's file, and no right to pass over that
            if self._peak_fd is None:
                self._peak_fd = os.open(f"/proc/{self._pid}/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
            os.write(self._peak_fd, _PEAK_OF_RESIDENT_MEMORY)

    def _read(self) -> "_Status":
        try:
            status = os.pread(self._fd, 4096, 0)
        except ProcessLookupError:
            return _Status(0, 0, main_thread_exited=False)
        counted = 1024 * sum(map(int, _COUNTED.findall(status)))
        threads = _THREADS.search(status)
        return _Status(counted, int(threads[1]) if threads else 0, main_thread_exited=b"\nState:\tZ" in status)


@dataclass(frozen=True, slots=True)
class _Status:
    counted_bytes: int
    threads: int
    main_thread_exited: bool
