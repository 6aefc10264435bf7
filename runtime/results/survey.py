"""How much there is in a value, told before a library that cannot run out of memory gracefully takes it on.

The walk is exact and goes by levels, since what a task returns may be millions of records: all that is done
per value is done by loops in C.
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import chain
from typing import Any, Final

from runtime.results.document import DEPTH, SCALARS, simplify
from runtime.results.frames import is_frame
from runtime.results.values import Unwritable

LIMIT_BYTES: Final = 1024 * 1024
"""The most that is encoded in one piece, by the estimate made here."""

_VALUE_BYTES: Final = 32
_PLAIN: Final = frozenset({type(None), bool, int, float})


class TooDeep(Exception):
    """The lists, tuples and dicts of a value nest deeper than a document may."""


def is_large(value: object, depth: int) -> bool:
    """Whether ``value``, standing below ``depth`` containers, is too much for one piece; looks a level at a time.

    Two defects of orjson make this necessary: it overflows its stack on some circular or very deep tuples, and it
    crashes where its buffer cannot grow. What is large is therefore written in pieces, and what is deep is refused.

    Raises:
        TooDeep: it nests too deeply, and there is not even much of it.
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
    """The values that are more than a small scalar, by their type."""
    kinds = set(map(type, values))
    for kind in kinds:
        if kind not in _PLAIN and not issubclass(kind, SCALARS):
            yield kind, values if len(kinds) == 1 else [item for item in values if type(item) is kind]


def _long_names(dicts: list[dict[Any, Any]]) -> int:
    """The bytes of the keys of some dicts of one type, at most; 0 where none is longer than what a value counts for.

    Records share their keys, so these are few, however many records there are.
    """
    exact = type(dicts[0]) is dict  # the keys of these a set takes without asking for their hashes
    names: set[object] = set().union(*dicts) if exact else set(chain.from_iterable(map(dict.__iter__, dicts)))
    longest = max((len(name) for name in names if isinstance(name, (str, bytes))), default=0)
    return longest * sum(map(len, dicts)) if longest > _VALUE_BYTES else 0


def _simpler(item: object) -> dict[Any, Any] | list[Any] | tuple[Any, ...]:
    """The container that stands for an odd value."""
    try:
        step = simplify(item)
    except Unwritable:
        return ()  # whoever writes it will say so, and where
    # an Enum may stand for another odd value, which a list of one takes to the next level
    return step if isinstance(step, (dict, list, tuple)) else [step]


def _size(item: object) -> int:
    """How many values an array, a frame or a collection has."""
    size = getattr(item, "size", None)
    if isinstance(size, int):
        return size
    return len(item) if isinstance(item, Sized) else 0


def _inside(kind: type) -> Callable[[Any], Iterable[object]]:
    """How to get at the members of the containers of a type; past what a subclass may have made of it."""
    if issubclass(kind, dict):
        return dict.values
    if issubclass(kind, list):
        return list.__iter__
    return tuple.__iter__ if issubclass(kind, tuple) else _members


def _members(container: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> Iterable[object]:
    return container.values() if isinstance(container, dict) else container
