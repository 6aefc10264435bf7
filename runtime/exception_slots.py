"""What the interpreter keeps on an exception, read so that a class of the task's own cannot show something else."""

from collections.abc import Iterator
from types import TracebackType


def slot(exc: BaseException, name: str, owner: type = BaseException) -> object:
    """Return an attribute that the interpreter keeps on the exception, bypassing any override in its class."""
    return owner.__dict__[name].__get__(exc)


def entries_of(exc: BaseException) -> Iterator[TracebackType]:
    """Yield the entries of the traceback, outermost first. A hostile one may have any number of them."""
    entry = slot(exc, "__traceback__")
    while isinstance(entry, TracebackType):
        yield entry
        entry = entry.tb_next
