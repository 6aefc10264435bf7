"""Adoption: an upload that is already the canonical file, byte for byte, becomes the stored object as it is.

Many clients, PyGraphistry among them, write Arrow with the same library as the server. That a file can be read is not
enough, because holders rely on exactly what ``tables.write_canonical`` writes. So the canonical table is written once
more, and each piece is compared with the file instead of stored. An unchanged column lies in the map of the file
itself, at the place where it would be written, so its bytes need no comparison.
"""

import pyarrow as pa

from runtime.datasets.formats.body import Body
from runtime.datasets.tables import write_to


def is_stored_form(table: pa.Table, body: Body) -> bool:
    """Return whether ``body`` is exactly what ``write_canonical`` makes of this canonical table.

    A schema without metadata may be written with an empty list or with none: readers see no difference.
    """
    spellings = [table] if table.schema.metadata else [table, table.replace_schema_metadata(None)]
    return any(_is_written_as(spelling, body.view()) for spelling in spellings)


class _Differs(Exception):
    """The next bytes are not those of the file."""


class _Comparison:
    """A binary file object for Arrow that accepts only the bytes that an existing file has."""

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
