"""Which types of values lists, dicts and arrays hold: a walk level by level, so that C does the work per value."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np

_DEPTH: Final = 64
_WALKED: Final = frozenset({dict, list, tuple, np.ndarray})
_HOLDERS: Final = (dict, list, tuple, np.ndarray)
_KEPT_TOGETHER: Final = (
    frozenset({type(None), int, float, str}),
    frozenset({type(None), int, float, bytes}),
    frozenset({type(None), bool, str}),
)
"""Types that Arrow keeps as they are, or refuses to mix: it makes no float of an integer that no float holds."""


@dataclass(slots=True)
class Contents:
    """``kinds``: the types of the values that are no lists, dicts or arrays. ``keys``: the types of keys of dicts."""

    kinds: set[type] = field(default_factory=set)
    keys: set[type] = field(default_factory=set)
    arrays: "set[np.dtype[Any]]" = field(default_factory=set)

    def are_kept(self) -> bool:
        """Return True if Arrow keeps all of the values as they are, or refuses them."""
        if not self.keys <= {str}:
            return False
        if self.arrays:
            return (
                self.kinds <= {type(None)}
                and len(self.arrays) == 1
                and all(dtype.kind in "biuf" for dtype in self.arrays)
            )
        return any(self.kinds <= kept for kept in _KEPT_TOGETHER)

    def would_crash(self) -> bool:
        """Return True for arrays of times beside others: Arrow may read them past their end, and end the process."""
        return len(self.arrays) > 1 and any(dtype.kind == "M" for dtype in self.arrays)


def contents_of(values: list[Any]) -> Contents | None:
    """Return what the values hold; None if they nest deeper than any table needs."""
    found = Contents()
    for _ in range(_DEPTH):
        if not values:
            return found
        kinds = set(map(type, values))
        below: list[Any] = []
        for kind in kinds:
            if not issubclass(kind, _HOLDERS):
                found.kinds.add(kind)
                continue
            alike: list[Any] = values if len(kinds) == 1 else [value for value in values if type(value) is kind]
            if issubclass(kind, dict):
                # most dicts of a column have the same keys, and a set takes those of exact dicts without hashing them
                names = chain(*map(dict.__iter__, alike)) if kind is not dict else set().union(*alike)
                found.keys |= set(map(type, names))
                below += chain.from_iterable(map(dict.values, alike))
            elif issubclass(kind, (list, tuple)):
                below += chain.from_iterable(alike)
            elif issubclass(kind, np.ndarray):
                found.arrays |= {value.dtype for value in alike}
                below += chain.from_iterable(value.flat for value in alike if value.dtype == object)
            if kind not in _WALKED:
                found.kinds.add(kind)
        values = below
    return None
