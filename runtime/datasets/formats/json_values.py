"""Columns of JSON values: the type that all values of a column share, or text.

Whole numbers keep every digit: a float that cannot hold one never replaces it.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from math import isinf
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from runtime.datasets.formats import bounds
from runtime.datasets.formats.tiny_numbers import TinyNumbers, has_zero
from runtime.errors import InvalidTable

Json = Any  # what a JSON document can hold
AnyArray = Any  # pa.Array: its stubs lack the attributes of nested types

_NOT_ZERO = re.compile(r"-?[0.]*[1-9]")
_TOO_LONG = 2.0**63
"""orjson makes a float of a whole number from about here on."""


class LostDigits(Exception):
    """A float may have been another number in the document, which has to be decoded exactly.

    That is a whole number with more digits, or one that is too small for a float.
    """


def exact_float(digits: str) -> float | str:
    """Return a number with a fraction or an exponent; one that no float holds (``1e400``, ``1e-400``) stays text."""
    value = float(digits)
    return digits if isinf(value) or (value == 0 and _NOT_ZERO.match(digits)) else value


@dataclass(frozen=True, slots=True)
class Document:
    """What is known of a document's bytes, so that its columns need fewer looks at each value.

    ``exact``: its whole numbers were decoded with every digit. ``containers``: it has at most so many arrays and
    objects.
    """

    exact: bool
    containers: int
    tiny: TinyNumbers

    def column(self, name: str, values: list[Json], *, around: int) -> Any:  # pa.Array, or chunks beyond 2 GiB of text
        """Return a column. ``around``: the arrays and objects that hold the columns' values.

        Raises ``InvalidTable`` for values that are nested too deeply or have too many keys, and ``LostDigits`` if a
        number may not be the document's.
        """
        if self.containers > around:
            _check_nesting(name, values)
        try:
            array = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            return self._of_several_kinds(values)
        if not self.exact and (_has_long_leaf(array) or self._has_tiny_leaf(array)):
            raise LostDigits
        if _has_flag_as_number(values, array.type):
            return self._of_several_kinds(values)
        return array

    def _of_several_kinds(self, values: list[Json]) -> Any:
        if not self.exact and (_has_float(values, _is_long) or self._has_tiny_float(values)):
            raise LostDigits
        kinds = set(map(type, values)) - {type(None)}
        present = [value for value in values if value is not None]
        if kinds == {int} and all(0 <= value < 2**64 for value in present):
            return pa.array(values, pa.uint64())
        if kinds == {int, float} and all(_is_held_by_float(value) for value in present):
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        return pa.array([_as_text(value) for value in values], pa.large_string())

    def _has_tiny_leaf(self, array: AnyArray) -> bool:
        return any(map(has_zero, _floats(array))) and self.tiny.may_be_among(pa.float64())

    def _has_tiny_float(self, values: Iterable[Json]) -> bool:
        return _has_float(values, _is_zero) and self.tiny.may_be_among(pa.float64())


def _check_nesting(name: str, values: list[Json]) -> None:
    """Raise ``InvalidTable`` for values that Arrow would take too long to build."""
    level: list[Json] = values
    for _ in range(bounds.MAX_DEPTH + 1):
        kinds = set(map(type, level))
        if not kinds & {list, dict}:
            return
        lists = [value for value in level if type(value) is list] if list in kinds else []
        objects = [value for value in level if type(value) is dict] if dict in kinds else []
        bounds.check_cells(len(objects), len(set(chain.from_iterable(objects))))
        level = [*chain.from_iterable(lists), *chain.from_iterable(one.values() for one in objects)]
    if any(type(value) in (list, dict) for value in level):
        raise InvalidTable(f"column {name!r} is nested more than {bounds.MAX_DEPTH} levels deep")


def _has_long_leaf(array: AnyArray) -> bool:
    return any(
        value is not None and _TOO_LONG <= abs(value) < float("inf")
        for leaf in _floats(array)
        for value in _extremes(leaf)
    )


def _floats(array: AnyArray) -> Iterator[AnyArray]:
    """Yield the arrays of floats in an array that Arrow has made of JSON."""
    chunks: list[AnyArray] = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    for chunk in chunks:
        if pa.types.is_floating(chunk.type):
            yield chunk
        elif pa.types.is_list(chunk.type):
            yield from _floats(chunk.values)
        elif pa.types.is_struct(chunk.type):
            for position in range(chunk.type.num_fields):
                yield from _floats(chunk.field(position))


def _extremes(leaf: AnyArray) -> Iterable[float | None]:
    finite: AnyArray = leaf.filter(pc.is_finite(leaf)) if leaf.null_count < len(leaf) else leaf
    found: Any = pc.min_max(finite).as_py()
    return found.values()  # type: ignore[no-any-return]  # of a struct scalar


def _has_float(values: Iterable[Json], is_such: Callable[[float], bool]) -> bool:
    for value in values:
        kind = type(value)
        if kind is float:
            if is_such(value):
                return True
        elif kind is list:
            if _has_float(value, is_such):
                return True
        elif kind is dict and _has_float(value.values(), is_such):
            return True
    return False


def _is_long(value: float) -> bool:
    return _TOO_LONG <= abs(value) < float("inf")


def _is_zero(value: float) -> bool:
    return value == 0


def _has_flag_as_number(values: Iterable[Json], given: Any) -> bool:
    """Return whether Arrow made a number of true or false, which it does beside numbers with a fraction."""
    types = pa.types
    if types.is_floating(given):
        return bool in set(map(type, values))
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
