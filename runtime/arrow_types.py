"""Families of Arrow's types, whose own predicates tell each member of a family apart."""

from typing import Any, Final

from pyarrow import types

Type = Any  # pa.DataType: its stubs lack the attributes of its subclasses

_LISTS: Final = (
    types.is_list,
    types.is_large_list,
    types.is_fixed_size_list,
    types.is_list_view,
    types.is_large_list_view,
)
_TEXTS: Final = (types.is_string, types.is_large_string, types.is_string_view)
_BYTES: Final = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)


def is_list(kind: Type) -> bool:
    """Return True for each of Arrow's types of lists; a map is none."""
    return any(is_one(kind) for is_one in _LISTS)


def is_text(kind: Type) -> bool:
    """Return True for each of Arrow's types of text."""
    return any(is_one(kind) for is_one in _TEXTS)


def is_binary(kind: Type) -> bool:
    """Return True for each of Arrow's types of bytes."""
    return any(is_one(kind) for is_one in _BYTES)
