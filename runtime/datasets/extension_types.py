"""Arrow's extension types in uploads: the values that stand for them in a stored table.

``pandas.period`` and ``pandas.interval`` are pandas' own and stay. A type that pyarrow does not know arrives as the
values that carry it.
"""

import uuid
from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa
from pandas.core.arrays.arrow.extension_types import (  # type: ignore[import-not-found]  # the stubs lack it
    ArrowIntervalType,
    ArrowPeriodType,
)

from runtime.errors import InvalidTable

AnyChunks = Any  # pa.ChunkedArray: its stubs have no useful element type


def without_extension(name: str, column: AnyChunks) -> AnyChunks:
    """Return a column whose type pandas can hold. Raises ``InvalidTable`` for an unknown extension type."""
    given = column.type
    if isinstance(given, ArrowIntervalType):
        return _intervals(name, column)
    if not isinstance(given, pa.BaseExtensionType) or isinstance(given, ArrowPeriodType):
        return column
    plain = _PLAIN.get(given.extension_name)
    if plain is None:
        raise InvalidTable(
            f"column {name!r} has the extension type {given}, which is not supported; send it as {given.storage_type}"
        )
    storage: Any = given.storage_type
    return plain(pa.chunked_array([chunk.storage for chunk in column.chunks], type=storage))


def _intervals(name: str, column: AnyChunks) -> AnyChunks:
    """Return intervals whose ends are null where the interval is, because pandas looks at the ends only.

    Raises ``InvalidTable`` for intervals of integers with nulls: pandas would make numbers of the nulls.
    """
    given = column.type
    chunks: list[Any] = []
    for chunk in column.chunks:
        ends = chunk.storage.flatten()
        if any(pa.types.is_integer(end.type) and end.null_count for end in ends):
            raise InvalidTable(
                f"column {name!r} has intervals of integers and nulls, which pandas cannot hold; "
                "send two columns of integers instead"
            )
        storage = pa.StructArray.from_arrays(ends, fields=list(given.storage_type), mask=chunk.storage.is_null())
        chunks.append(pa.ExtensionArray.from_storage(given, storage))
    return pa.chunked_array(chunks, type=given)


def _uuids(storage: AnyChunks) -> AnyChunks:
    """Return UUIDs as text of 36 characters."""
    chunks: list[Any] = [
        pa.array([None if value is None else str(uuid.UUID(bytes=value)) for value in chunk.to_pylist()],
                 pa.large_string())
        for chunk in storage.chunks
    ]  # fmt: skip
    return pa.chunked_array(chunks, type=pa.large_string())


_PLAIN: Final[dict[str, Callable[[AnyChunks], AnyChunks]]] = {
    "arrow.bool8": lambda storage: storage.cast(pa.bool_()),
    "arrow.fixed_shape_tensor": lambda storage: storage,
    "arrow.json": lambda storage: storage,
    "arrow.uuid": _uuids,
}
