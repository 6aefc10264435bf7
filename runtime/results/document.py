"""Encodes any value as one piece of JSON, or names the part that has no form. ``stream`` cuts large values first."""

import datetime
import decimal
from functools import lru_cache
from typing import Any, Final

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from runtime.results.arrow_values import arrow_values
from runtime.results.frames import is_cudf, is_frame
from runtime.results.records import column_values, frame_records
from runtime.results.returned import graph_of_plottable
from runtime.results.unwritable import Unwritable
from runtime.results.values import key_text, plain
from runtime.text import legal_text

DEPTH: Final = 254
"""The deepest nesting of lists and objects: orjson's own bound."""

SCALARS: Final = (np.generic, datetime.date, datetime.timedelta, decimal.Decimal)
"""Types beside JSON's own that are small and come in large numbers."""

_FREQUENT: Final = (*SCALARS, bytes, tuple)
_LIBRARIES: Final = ("pandas", "pyarrow", "cudf", "graphistry")
_OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def dumps(value: object, depth: int) -> bytes:
    """Return a value as JSON by the rules of docs/results.md. It is not large and stands below ``depth`` containers.

    The first attempt is orjson's. What orjson refuses (keys that are not strings, integers over 64 bits, lone
    surrogates) is rebuilt here by the same rules. That is slower, and also finds the path to a value without a form.

    Raises:
        Unwritable: some value in it has no form in JSON, contains itself, or is nested too deeply.
    """
    try:
        return orjson.dumps(value, default=simplify, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return dumps_slowly(value, depth)


def dumps_slowly(value: object, depth: int) -> bytes:
    """Encode a value of any depth as ``dumps`` does, without trying orjson."""
    return orjson.dumps(_tree(value, set(), depth), option=_OPTIONS)


def texts(scalars: list[Any]) -> list[bytes]:
    """Return each scalar as ``dumps`` writes it. Together they are not large.

    No JSON text contains a line break, so the line breaks that orjson puts between values separate them.

    Raises:
        TypeError: a scalar has no form, or is too large for orjson (orjson.JSONEncodeError).
    """
    lines = orjson.dumps(scalars, default=simplify, option=_OPTIONS | orjson.OPT_INDENT_2)
    return lines[4:-2].split(b",\n  ")


def simplify(value: object) -> object:
    """Return the value one step closer to JSON, for everything that a task may return."""
    if isinstance(value, _FREQUENT) or _is_of_no_library(type(value)):  # type: ignore[arg-type]  # types hash
        return plain(value)
    if is_frame(value):
        return frame_records(value)
    graph = graph_of_plottable(value)
    if graph is not None:
        return {"nodes": _part(graph.nodes), "edges": _part(graph.edges)}
    if isinstance(value, pd.MultiIndex):
        return value.tolist()
    if isinstance(value, pd.Series):
        return column_values(value)
    if isinstance(value, (pd.Index, pd.api.extensions.ExtensionArray)):
        return column_values(pd.Series(value))
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return arrow_values(value)
    if is_cudf(value, "Series", "Index"):
        return _from_gpu(value)
    return plain(value)


@lru_cache(maxsize=1024)
def _is_of_no_library(cls: type) -> bool:
    """Return True if no base of ``cls`` belongs to a library whose values are more than scalars and containers."""
    return all(str(base.__module__).partition(".")[0] not in _LIBRARIES for base in cls.__mro__)


def _part(frame: object) -> object:
    return [] if frame is None else frame


def _from_gpu(column: Any) -> object:  # Any: cuDF has no types on a machine without it
    # pandas would make floats of integers if one is missing
    return column.to_arrow() if hasattr(column, "to_arrow") else column.to_pandas()


def contains_itself() -> Unwritable:
    return Unwritable("it contains itself")


def too_deep() -> Unwritable:
    return Unwritable(f"it is nested deeper than {DEPTH} levels")


def same_key(name: str) -> Unwritable:
    return Unwritable(f"two of its keys are both written as {name!r}")


def _tree(value: object, parents: set[int], depth: int) -> object:
    """Return the value rebuilt from exact dicts with string keys, lists, and scalars that orjson accepts."""
    kind = type(value)
    if value is None or kind is bool or kind is float or kind is orjson.Fragment:
        return value
    if kind is str:
        return legal_text(value)  # type: ignore[arg-type]  # mypy does not narrow by `kind`
    if kind is int:
        return _integer(value)  # type: ignore[arg-type]
    if id(value) in parents:
        raise contains_itself()
    if depth >= DEPTH and isinstance(value, (dict, list)):
        raise too_deep()
    parents.add(id(value))
    try:
        if isinstance(value, dict):
            return _members(value, parents, depth)
        if isinstance(value, list):
            return _items(value, parents, depth)
        return _tree(simplify(value), parents, depth)
    finally:
        parents.discard(id(value))


def _items(value: list[object], parents: set[int], depth: int) -> list[object]:
    items = []
    for position, item in enumerate(list.__iter__(value)):
        try:
            items.append(_tree(item, parents, depth + 1))
        except Unwritable as exc:
            exc.path.insert(0, position)
            raise
    return items


def _members(value: dict[object, object], parents: set[int], depth: int) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, item in dict.items(value):
        name = key_text(key)
        if name in members:
            raise same_key(name)
        try:
            members[name] = _tree(item, parents, depth + 1)
        except Unwritable as exc:
            exc.path.insert(0, key)
            raise
    return members


def _integer(value: int) -> object:
    """Return the integer, or its digits as a ready piece of JSON if it is too large for orjson."""
    if -(2**63) <= value < 2**64:
        return value
    try:
        return orjson.Fragment(str(value))
    except ValueError:
        raise Unwritable("an integer has more digits than Python writes (sys.get_int_max_str_digits())") from None
