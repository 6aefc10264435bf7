"""``-o FILE``: the file is replaced once the result is complete, and not before."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from catalog.whole_file import whole_file
from deployments.cli.errors import WrongInput
from deployments.cli.terminal import printable


@contextmanager
def result_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to. It replaces ``path`` if the block succeeds; otherwise ``path`` stays as it was.

    A device or a pipe is written to directly. Raises ``WrongInput`` if the file cannot be written.
    """
    target = Path(os.path.realpath(path))  # a link keeps pointing at the result
    try:
        mode = target.stat().st_mode if target.exists() else None
        writing = _replacing(target, mode) if mode is None or stat.S_ISREG(mode) else open(target, "wb", buffering=0)
        with writing as file:
            yield file
    except OSError as error:
        raise WrongInput(f"{printable(path)} cannot be written: {error.strerror}") from None


@contextmanager
def _replacing(target: Path, mode: int | None) -> Iterator[BinaryIO]:
    with whole_file(target, 0o666) as file:
        if mode is not None:
            os.fchmod(file.fileno(), stat.S_IMODE(mode))
        yield file
