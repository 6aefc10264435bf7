"""Reader options (protocol 2.5): JSON values from a file's ``parser_options`` or text from a query string.

Both mean the same: in a URL, ``header=0`` is the number and ``lines=true`` the flag. Lists and objects in a URL
are JSON; a list of words may also be written ``a,b``.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from runtime.datasets.formats import bounds
from runtime.errors import InvalidTable

MAX_ROW: Final = 1_000_000
"""The most rows that an option may skip: readers count them one by one, or make a set of them."""

_TOLD: Final = 100  # characters of a wrong value that an error repeats

Options = Mapping[str, Any]  # Any: JSON, converted here

_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NOTHING = {"", "none", "null"}
_ONE_TABLE = "a file becomes one table; send smaller files"
_ONLY_BYTES = "only the bytes that were sent are read"
_NO_BAD_LINES = "a malformed line is always an error, so that no row is lost silently"
_REFUSED = {
    "byte_range": "a range may begin inside a quoted value; send only the part that you need",
    "chunksize": _ONE_TABLE,
    "iterator": _ONE_TABLE,
    "converters": "functions cannot be sent; name types with 'dtype'",
    "date_parser": "functions cannot be sent; name columns with 'parse_dates'",
    "index_col": "tables have no index; every column is kept",
    "storage_options": _ONLY_BYTES,
    "filepath_or_buffer": _ONLY_BYTES,
    "engine": "the reader is chosen by the options",
    "on_bad_lines": _NO_BAD_LINES,
    "error_bad_lines": _NO_BAD_LINES,
}


def refuse_unknown(options: Options, known: Collection[str], file_type: str) -> None:
    """Raise ``InvalidTable``, naming it, for the first option that this file type does not have."""
    for name in options:
        if name in known:
            continue
        if name in _REFUSED:
            raise InvalidTable(f"option {name!r} is not supported: {_REFUSED[name]}")
        allowed = f"its options are {', '.join(sorted(known))}" if known else "it has no options"
        raise InvalidTable(f"{name[:60]!r} is not an option of file_type {file_type}; {allowed}")


def check_header(header: object) -> None:
    """Raise ``InvalidTable`` unless this is the position of a row, ``infer`` or None."""
    if header not in (None, "infer") and (type(header) is not int or not 0 <= header <= MAX_ROW):
        raise InvalidTable(f"option 'header' must be a row number from 0 to {MAX_ROW:,}, 'infer' or none")


def flag(options: Options, name: str, default: bool) -> bool:
    given = options.get(name)
    if given is None:
        return default
    value = given if isinstance(given, bool) else _FLAGS.get(str(given).lower())
    if value is None:
        raise InvalidTable(f"option {name!r} must be true or false, not {_told(given)}")
    return value


def text(options: Options, name: str) -> str | None:
    given = options.get(name)
    if given is not None and not isinstance(given, str):
        raise InvalidTable(f"option {name!r} must be a string, not {_told(given)}")
    return given


def character(options: Options, name: str, default: str) -> str:
    """Return an option that is one ASCII character."""
    given = text(options, name)
    if given is None:
        return default
    if len(given) != 1 or not given.isascii():
        raise InvalidTable(f"option {name!r} must be one character, not {_told(given)}")
    return given


def whole(options: Options, name: str, most: int = MAX_ROW) -> int | None:
    """Return an option that is a whole number from 0 to ``most``."""
    given = options.get(name)
    if given is None:
        return None
    try:
        value = int(given) if isinstance(given, int | str) and not isinstance(given, bool) else -1
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise InvalidTable(f"option {name!r} must be a whole number from 0 to {most:,}, not {_told(given)}")
    return value


def positions(options: Options, name: str, most: int) -> list[str | int] | None:
    """Return an option that is a list of names and of positions from 0 to ``most``.

    In ``a,b`` and ``0,2`` all are names, or all are positions.
    """
    items = _items(options, name)
    if items is None:
        return None
    given = options.get(name)
    if isinstance(given, str) and not _is_json(given) and all(item.isascii() and item.isdigit() for item in items):
        items = [int(item) for item in items]
    if not all(isinstance(item, str) or (type(item) is int and 0 <= item <= most) for item in items):
        raise InvalidTable(
            f"option {name!r} must be a list of names or of numbers from 0 to {most:,}, not {_told(options[name])}"
        )
    return _bounded(items, name)


def words(options: Options, name: str) -> list[str] | None:
    """Return an option that is a list of strings; numbers are taken as they are written."""
    items = _items(options, name)
    if items is None:
        return None
    if not all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in items):
        raise InvalidTable(f"option {name!r} must be a list of strings, not {_told(options[name])}")
    return _bounded([str(item) for item in items], name)


def _items(options: Options, name: str) -> list[Any] | None:
    """Return the items of an option that is a list, or a single value; in a URL, a list may be written ``a,b``."""
    given = options.get(name)
    if isinstance(given, str) and not _is_json(given):
        return None if given.lower() in _NOTHING else given.split(",")
    found = structure(options, name)
    return found if found is None or isinstance(found, list) else [found]


def _is_json(given: str) -> bool:
    return given[:1] in ("[", "{")


def structure(options: Options, name: str) -> Any:  # Any: JSON
    """Return an option that is a list, an object, a number or a text; text that is JSON is decoded."""
    given = options.get(name)
    if not isinstance(given, str):
        return given
    if given.lower() in _NOTHING:
        return None
    if _is_json(given) or given.lstrip("-").isdigit():
        try:
            return json.loads(given)
        except (ValueError, RecursionError) as error:
            raise InvalidTable(f"option {name!r} is not JSON: {_told(given)}") from error
    return given


def _bounded(items: list[Any], name: str) -> list[Any]:
    if len(items) > bounds.MAX_COLUMNS:
        raise InvalidTable(f"option {name!r} has {len(items):,} values; at most {bounds.MAX_COLUMNS:,} are possible")
    return items


def _told(given: object) -> str:
    """Return a value as it stands in an error, cut."""
    told = repr(given)
    return told if len(told) <= _TOLD else f"{told[:_TOLD]}…"
