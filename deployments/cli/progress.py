"""What moves on a terminal while one waits. It is written to standard error, and nothing where that is no terminal."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from deployments.cli.terminal import printable

_LOOK_S: Final = 0.2


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Turns, and counts the seconds, until the block ends."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with _heeding_ctrl_c(), Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(printable(text), total=None)
        yield


@contextmanager
def transfer(text: str, byte_count: int | None) -> Iterator[Callable[[int], None]]:
    """A bar; call what it gives with the number of bytes that have gone by. ``byte_count``: of all, where known."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
    )
    with _heeding_ctrl_c(), Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(printable(text), total=byte_count)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _heeding_ctrl_c() -> Iterator[None]:
    """A Ctrl-C that comes between Python's last look for one and a call that blocks is noticed at the call's end.

    What moves has a thread of its own, which makes that time long enough to be met. An alarm ends such calls; Python
    looks, and begins them again.
    """
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_S, _LOOK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
