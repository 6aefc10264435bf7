"""Estimates how large a value is, before orjson gets it, because orjson crashes when it runs out of memory.

A task may return millions of records. So the walk goes level by level, and all work per value is done by loops in C.
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import chain
from typing import Any, Final

from runtime.results.document import DEPTH, SCALARS, simplify
from runtime.results.frames import is_frame
from runtime.results.unwritable import Unwritable

LIMIT_BYTES: Final = 1024 * 1024
"""The largest estimate that is encoded in one piece."""

_VALUE_BYTES: Final = 32
_PLAIN: Final = frozenset({type(None), bool, int, float})


class TooDeep(Exception):
    """The lists, tuples and dicts of a value nest deeper than a document may."""


def is_large(value: object, depth: int) -> bool:
    """Return True if a value below ``depth`` containers is too large for one piece.

    Two defects of orjson make this necessary: it overflows its stack on some circular or very deep tuples, and it
    crashes if its buffer cannot grow. Large values are therefore written in pieces, and deep ones are refused.

    Raises:
        TooDeep: the value nests too deeply, although it is small.
    """
    weight = 0
    level = [value]
    width = 1
    while level:
        weight += _VALUE_BYTES * len(level)
        # iterators, not lists of them: a view for each of many dicts would set off the garbage collector
        below: list[Iterable[Iterable[object]]] = []
        lengths: list[int] = []
        for kind, items in chain.from_iterable(_by_kind(level[place::width]) for place in range(width)):
            if issubclass(kind, (str, bytes, bytearray)):
                weight += sum(map(len, items))
                continue
            if not issubclass(kind, (dict, list, tuple)):
                if any(is_frame(item) or _size(item) * _VALUE_BYTES > LIMIT_BYTES for item in items):
                    return True
                items = [_simpler(item) for item in items]
            lengths += map(len, items)
            if issubclass(kind, dict):
                weight += _long_names(items)
            below.append(map(_inside(kind), items))
        if weight + _VALUE_BYTES * sum(lengths) > LIMIT_BYTES:
            return True
        if below and depth >= DEPTH:
            raise TooDeep
        level = list(chain.from_iterable(chain.from_iterable(below)))
        # of containers of one length, as records are, the members at one place are mostly of one type
        width = lengths[0] if len(set(lengths)) == 1 and 0 < lengths[0] < len(lengths) else 1
        depth += 1
    return False


def _by_kind(values: list[Any]) -> Iterator[tuple[type, list[Any]]]:
    """Yield the values that are more than small scalars, grouped by type."""
    kinds = set(map(type, values))
    for kind in kinds:
        if kind not in _PLAIN and not issubclass(kind, SCALARS):
            yield kind, values if len(kinds) == 1 else [item for item in values if type(item) is kind]


def _long_names(dicts: list[dict[Any, Any]]) -> int:
    """Return an upper bound for the bytes of the keys of dicts of one type; 0 if every key is short.

    Records share their keys, so there are few distinct keys even in many records.
    """
    exact = type(dicts[0]) is dict  # a set takes the keys of exact dicts without hashing them again
    names: set[object] = set().union(*dicts) if exact else set(chain.from_iterable(map(dict.__iter__, dicts)))
    longest = max((len(name) for name in names if isinstance(name, (str, bytes))), default=0)
    return longest * sum(map(len, dicts)) if longest > _VALUE_BYTES else 0


def _simpler(item: object) -> dict[Any, Any] | list[Any] | tuple[Any, ...]:
    """Return a container that stands for a value of another type."""
    try:
        step = simplify(item)
    except Unwritable:
        return ()  # the writer raises the error, with its path
    # an Enum may hold such a value again; a list of one passes it to the next level
    return step if isinstance(step, (dict, list, tuple)) else [step]


def _size(item: object) -> int:
    """Return the number of values in an array, a frame or a collection."""
    size = getattr(item, "size", None)
    if isinstance(size, int):
        return size
    return len(item) if isinstance(item, Sized) else 0


def _inside(kind: type) -> Callable[[Any], Iterable[object]]:
    """Return the function that lists a container's members, unaffected by what a subclass overrides."""
    if issubclass(kind, dict):
        return dict.values
    if issubclass(kind, list):
        return list.__iter__
    return tuple.__iter__ if issubclass(kind, tuple) else _members


def _members(container: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterable[object]:
    return container.values() if isinstance(container, dict) else container
