"""Columns of JSON values: the type that all values of a column share, or text.

Whole numbers keep every digit: a float that cannot hold one never replaces it.
"""

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any

import pyarrow as pa

from runtime.datasets.formats import bounds
from runtime.errors import InvalidTable

Json = Any  # what a JSON document can hold

_TOO_LONG = 2.0**63
"""orjson makes a float of a whole number from about here on."""


class LostDigits(Exception):
    """A float may have been a whole number with more digits, so the document has to be decoded exactly."""


def column(name: str, values: list[Json], *, exact: bool) -> Any:  # pa.Array, or pa.ChunkedArray if text exceeds 2 GiB
    """Return a column. Raises ``InvalidTable`` for values that are nested too deeply or have too many keys.

    ``exact``: the values are those of the document. Else ``LostDigits`` is raised if a number may not be.
    """
    kinds = set(map(type, values))
    if kinds & {list, dict}:
        _check_nesting(name, values)
    if not exact and (float in kinds or kinds & {list, dict}) and _has_long_float(values):
        raise LostDigits
    try:
        array = pa.array(values)
        if not _has_flag_as_number(values, array.type, kinds):
            return array
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pass
    present = [value for value in values if value is not None]
    if kinds <= {int, type(None)} and all(0 <= value < 2**64 for value in present):
        return pa.array(values, pa.uint64())
    if float in kinds and kinds <= {int, float, type(None)} and all(_is_held_by_float(value) for value in present):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([_as_text(value) for value in values], pa.large_string())


def _check_nesting(name: str, values: list[Json]) -> None:
    """Raise ``InvalidTable`` for values that Arrow would take too long to build."""
    level = values
    for _ in range(bounds.MAX_DEPTH + 1):
        objects = [value for value in level if type(value) is dict]
        keys = set(chain.from_iterable(objects))
        bounds.check_cells(len(objects), len(keys))
        level = [*chain.from_iterable(value for value in level if type(value) is list),
                 *chain.from_iterable(value.values() for value in objects)]  # fmt: skip
        if not any(type(value) in (list, dict) for value in level):
            return
    raise InvalidTable(f"column {name!r} is nested more than {bounds.MAX_DEPTH} levels deep")


def _has_long_float(values: Iterable[Json]) -> bool:
    for value in values:
        kind = type(value)
        if kind is float:
            if abs(value) >= _TOO_LONG and value - value == 0:  # not infinite
                return True
        elif kind is list:
            if _has_long_float(value):
                return True
        elif kind is dict and _has_long_float(value.values()):
            return True
    return False


def _has_flag_as_number(values: Iterable[Json], given: Any, kinds: set[type] | None = None) -> bool:
    """Return whether Arrow made a number of true or false, which it does beside numbers with a fraction."""
    types = pa.types
    if types.is_floating(given):
        return bool in (set(map(type, values)) if kinds is None else kinds)
    if types.is_list(given):
        inner = chain.from_iterable(value for value in values if value is not None)
        return _may_hold_float(given) and _has_flag_as_number(inner, given.value_type)
    if types.is_struct(given) and _may_hold_float(given):
        objects = [value for value in values if value is not None]
        fields = (given.field(position) for position in range(given.num_fields))
        return any(_has_flag_as_number([value.get(one.name) for value in objects], one.type) for one in fields)
    return False


def _may_hold_float(given: Any) -> bool:
    return pa.types.is_floating(given) or any(_may_hold_float(given.field(at).type) for at in range(given.num_fields))


def _is_held_by_float(value: float) -> bool:
    try:
        return type(value) is float or int(float(value)) == value
    except OverflowError:
        return False


def _as_text(value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
