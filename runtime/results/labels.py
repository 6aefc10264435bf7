"""Whether a result has labels that are not sent: the index of a frame or a Series is not part of any format."""

from collections.abc import Iterable
from itertools import chain, islice
from typing import Any, Final  # Any: cuDF has no types here

import pandas as pd

from runtime.results.frames import is_cudf
from runtime.results.returned import graph_of_plottable

_LOOKED_AT: Final = 100
_LEVELS: Final = 6
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final = frozenset({dict, list, tuple})


def drops_labels(value: object) -> bool:
    """Return True if the value, or a frame or Series in it, has an index that says something.

    Row numbers say nothing, also those that a filter or a sort left: integers without a name.
    """
    level = [value]
    for _ in range(_LEVELS):
        level = [part for part in level if type(part) not in _SCALARS]
        if any(_drops(part) for part in level if type(part) not in _CONTAINERS):
            return True
        level = list(islice(chain.from_iterable(map(_members, level)), _LOOKED_AT))
    return False


def _members(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return islice(dict.values(value), _LOOKED_AT)
    return value[:_LOOKED_AT] if isinstance(value, (list, tuple)) else ()


def _drops(value: object) -> bool:
    graph = graph_of_plottable(value)
    if graph is not None:
        return _says_something(graph.nodes) or _says_something(graph.edges)
    return _says_something(value)


def _says_something(part: object) -> bool:
    if not isinstance(part, (pd.DataFrame, pd.Series)) and not is_cudf(part, "DataFrame", "Series"):
        return False
    index: Any = part.index  # type: ignore[attr-defined]
    if len(index) == 0:
        return False
    is_named = any(name is not None for name in index.names)
    return bool(is_named or index.nlevels > 1 or not pd.api.types.is_integer_dtype(index.dtype))
