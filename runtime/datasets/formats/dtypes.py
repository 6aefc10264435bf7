"""The option ``dtype``: pandas' names of types."""

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from runtime.datasets.formats.options import Options, structure
from runtime.errors import InvalidTable

CATEGORY = "category"

_TYPES: Mapping[str, pa.DataType] = {
    **{name: pa.large_string() for name in ("str", "string", "object", CATEGORY)},
    **{name: pa.bool_() for name in ("bool", "boolean")},
    **{name: pa.int64() for name in ("int", "integer")},
    **{name: pa.float64() for name in ("float", "double")},
    **{f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": getattr(pa, f"float{bits}")() for bits in (32, 64)},
    **{f"datetime64[{unit}]": pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")},
    "datetime64": pa.timestamp("us"),
}
_NULLABLE = re.compile(r"(U?Int(8|16|32|64)|Float(32|64))")


def asked(options: Options) -> dict[str, str] | str | None:
    """Return the option: a type name per column, one name for all, or ``None`` (also for true and false)."""
    given: Any = structure(options, "dtype")
    if given is None or isinstance(given, bool) or str(given).lower() in ("true", "false"):
        return None
    if isinstance(given, str):
        arrow_type(given)
        return given
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given.values()):
        raise InvalidTable("option 'dtype' must be a type name, or an object of column names and type names")
    for name in given.values():
        arrow_type(name)
    return given


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of a dtype. Raises ``InvalidTable`` for an unknown name."""
    plain = name.lower() if _NULLABLE.fullmatch(name) else name
    if plain not in _TYPES:
        raise InvalidTable(f"dtype {name!r} is unknown; use one of {', '.join(sorted(_TYPES))}")
    return _TYPES[plain]
