"""The twin on a disk that cannot be read: an image is found, and copying it into a block fails."""

from pathlib import Path
from typing import Any

from runtime.sandbox.device_frames import frames_of


def make() -> Any:
    frames: Any = frames_of(str(Path(__file__).with_name("twin.py")))  # by its path: a template has no tests to import
    frames.copy_in = _unreadable
    return frames


def _unreadable(block_fd: int, byte_count: int, file_fd: int, offset: int) -> None:
    raise OSError("Input/output error")
