"""How much there is in a value, told before a library that cannot run out of memory gracefully takes it on."""

from collections.abc import Callable, Iterable, Sized
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
    while level:
        weight += _VALUE_BYTES * len(level)
        # iterators, not lists of them: a view for each of many dicts would set off the garbage collector
        below: list[Iterable[Iterable[object]]] = []
        count = 0
        kinds = set(map(type, level))
        for kind in kinds:
            if kind in _PLAIN or issubclass(kind, SCALARS):
                continue
            items: list[Any] = level if len(kinds) == 1 else [item for item in level if type(item) is kind]
            if issubclass(kind, (str, bytes, bytearray)):
                weight += sum(map(len, items))
                continue
            if not issubclass(kind, (dict, list, tuple)):
                if any(is_frame(item) or _size(item) * _VALUE_BYTES > LIMIT_BYTES for item in items):
                    return True
                items = [_simpler(item) for item in items]
            count += sum(map(len, items))
            below.append(map(_inside(kind), items))
        if weight + _VALUE_BYTES * count > LIMIT_BYTES:
            return True
        if below and depth >= DEPTH:
            raise TooDeep
        level = list(chain.from_iterable(chain.from_iterable(below)))
        depth += 1
    return False


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
