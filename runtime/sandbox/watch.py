"""What no kernel limit counts: a run's resident memory as a whole, and what it keeps in its scratch directory."""

import os
from dataclasses import dataclass
from pathlib import Path

_COUNTED = (b"RssAnon:", b"RssShmem:", b"VmSwap:")


class MemoryGauge:
    """Reads the private and shared-anonymous memory that a process has taken since the gauge was made."""

    def __init__(self, pid: int) -> None:
        self._fd = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
        self._base = self._read()
        self.peak_bytes = 0

    def used_bytes(self) -> int:
        """Bytes taken since the start; 0 once the process has ended."""
        used = max(0, self._read() - self._base)
        self.peak_bytes = max(self.peak_bytes, used)
        return used

    def close(self) -> None:
        """Close the file; no reading after that."""
        os.close(self._fd)

    def _read(self) -> int:
        try:
            status = os.pread(self._fd, 4096, 0)
        except ProcessLookupError:
            return 0
        return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(_COUNTED))


@dataclass(frozen=True, slots=True)
class ScratchUse:
    """What lies in a scratch directory."""

    byte_count: int
    file_count: int


def scratch_use(directory: Path, most_files: int) -> ScratchUse:
    """Count allocated bytes and entries below ``directory``, following no link; stops soon after ``most_files``.

    The walk goes by descriptors (a task may swap a directory for a link at any time).
    """
    byte_count = file_count = 0
    try:
        for _, dirs, files, dir_fd in os.fwalk(directory):
            for name in (*dirs, *files):
                file_count += 1
                try:
                    byte_count += os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_blocks * 512
                except FileNotFoundError:
                    continue
            if file_count > most_files:
                break
    except OSError:
        pass  # it changes under us; the next look sees more
    return ScratchUse(byte_count, file_count)
