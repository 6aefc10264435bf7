"""Uploads that need not be written again: files that are, byte for byte, what would be stored of them.

Many clients write Arrow with the library that we write it with, PyGraphistry among them. Their file can become the
object as it is. It is not enough that such a file can be read: holders rely on what ``tables.write_canonical`` writes.
So the canonical table is written once more, and each piece is compared with the file instead of stored. Columns that
were taken over lie in the map of the file itself, at the very place where they would be written, and need no look.
"""

import pyarrow as pa

from runtime.datasets.formats.body import Body
from runtime.datasets.tables import write_to


def is_stored_form(table: pa.Table, body: Body) -> bool:
    """Whether ``body`` is what ``write_canonical`` makes of this canonical table, without one byte more or less.

    A schema without metadata may be written as an empty list of it, or as none: readers see no difference.
    """
    spellings = [table] if table.schema.metadata else [table, table.replace_schema_metadata(None)]
    return any(_is_written_as(spelling, body.view()) for spelling in spellings)


class _Differs(Exception):
    """What would be written next is not what the file has there."""


class _Comparison:
    """A binary file object for Arrow that takes only what an existing file has already."""

    closed = False

    def __init__(self, expected: memoryview) -> None:
        self._expected = expected
        self._position = 0

    def write(self, data: bytes | memoryview) -> int:
        written = pa.py_buffer(data)
        end = self._position + written.size
        # Arrow compares addresses before it compares bytes.
        if end > len(self._expected) or not written.equals(pa.py_buffer(self._expected[self._position : end])):
            raise _Differs
        self._position = end
        return written.size

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Nothing is open."""


def _is_written_as(table: pa.Table, expected: memoryview) -> bool:
    comparison = _Comparison(expected)
    try:
        write_to(table, comparison)
    except _Differs:
        return False
    return comparison.tell() == len(expected)
