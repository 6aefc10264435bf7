"""One rule for every scalar and container that JSON has no form for (docs/results.md). Frames have rules elsewhere."""

import base64
import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import uuid
from array import array
from collections import UserList, deque
from collections.abc import Awaitable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from pathlib import PurePath
from typing import Any, Final

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from runtime.results.arrow_values import arrow_values
from runtime.results.times import iso_datetime, iso_duration
from runtime.results.unwritable import Unwritable
from runtime.text import legal_text, type_name

_SEQUENCES: Final = (tuple, deque, range, KeysView, ValuesView, ItemsView, UserList, array, list)
_DAY_S: Final = 86_400
_CALENDAR: Final = ("Y", "M")
_UNIT_NS: Final = {
    "W": (7 * _DAY_S * 10**9, 1),
    "D": (_DAY_S * 10**9, 1),
    "h": (3600 * 10**9, 1),
    "m": (60 * 10**9, 1),
    "s": (10**9, 1),
    "ms": (10**6, 1),
    "us": (1000, 1),
    "ns": (1, 1),
    "ps": (1, 10**3),
    "fs": (1, 10**6),
    "as": (1, 10**9),
}
"""Nanoseconds in numpy's units of time, as a fraction."""

_TEXTS: Final = (
    uuid.UUID,
    PurePath,
    fractions.Fraction,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    np.dtype,
    pd.api.extensions.ExtensionDtype,
    pd.Period,
    pd.Interval,
    pa.DataType,
)
"""Types that are sent as their text."""


def plain(value: object) -> object:
    """Return a value one step closer to JSON; the new value may need further steps.

    Raises:
        Unwritable: there is no rule for values of this type.
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        return _numpy_scalar(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return legal_text(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return iso_duration(_nanoseconds(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, decimal.Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, pa.Scalar):
        return arrow_values(pa.array([value], value.type))[0]
    if isinstance(value, _TEXTS):
        return str(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    return _container(value)


def _container(value: object) -> object:
    """Return the list or dict that stands for another kind of container."""
    if isinstance(value, np.ndarray):
        # numpy gives integers for some times, so they and the records that may hold them keep their scalars
        if value.dtype.kind in "mMV":
            return list(value) if value.ndim else value[()]
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:  # members of several kinds have no order
            return list(value)
    if isinstance(value, _SEQUENCES):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value.items())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise Unwritable(f"a value of type {type_name(type(value))} has no form in JSON{_hint(value)}")


def _numpy_scalar(value: np.generic) -> object:
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else iso_datetime(value)
    if isinstance(value, np.timedelta64):
        return None if np.isnat(value) else _numpy_duration(value)
    if isinstance(value, np.void) and value.dtype.names is not None:
        return [value[name] for name in value.dtype.names]
    if isinstance(value, np.complexfloating):
        raise Unwritable("a complex number has no form in JSON; send its real and imaginary parts")
    return float(value) if isinstance(value, np.floating) else value.item()


def _nanoseconds(value: datetime.timedelta) -> int:
    # pandas' subclass adds the nanoseconds that the parent class has no room for
    whole = (value.days * _DAY_S + value.seconds) * 10**9 + value.microseconds * 1000
    return int(whole + getattr(value, "nanoseconds", 0))


def _numpy_duration(value: "np.timedelta64[Any]") -> object:
    """Return a duration of any unit of numpy. Years and months have no length; one without a unit is a number."""
    unit, step = np.datetime_data(value.dtype)
    count = int(value.astype(np.int64)) * step
    if unit == "generic":
        return count
    if unit in _CALENDAR:
        return f"{'-' if count < 0 else ''}P{abs(count)}{unit}"
    numerator, denominator = _UNIT_NS[unit]
    return iso_duration(count * numerator // denominator)


def key_text(key: object) -> str:
    """Return a key of a JSON object: the text that the key would have as a value.

    Raises:
        Unwritable: as a value the key would be a list, an object or nothing at all.
    """
    reduced = key
    for _ in range(8):  # an enum of a numpy scalar of ... ends long before
        if type(reduced) is str:
            return legal_text(reduced)
        if reduced is None or type(reduced) in (bool, int, float):
            return str(reduced) if type(reduced) is int else orjson.dumps(reduced).decode()
        if isinstance(reduced, (list, dict, tuple)):
            break
        reduced = plain(reduced)
    raise Unwritable(f"a key of type {type_name(type(key))} cannot be the name of a JSON member; make it a string")


def _hint(value: object) -> str:
    if isinstance(value, Iterator):
        return "; put list(...) around it"
    if isinstance(value, complex):
        return "; send its real and imaginary parts"
    if isinstance(value, Awaitable):
        return "; use asyncio.run(...) to get its result"
    if callable(value):
        return "; call it"
    return ""
