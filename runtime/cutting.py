"""What is kept of a run's texts, its failure and its versions, if they are long."""

import json
from collections.abc import Mapping
from typing import Any, Final  # Any: JSON values

from catalog.column_types import storable

FAILURE_BYTES: Final = 64 * 1024
"""The most bytes of a failure in a receipt, as JSON."""

_FAILURE_TEXT: Final = 8192  # bytes
_FAILURE_ITEMS: Final = 50
_VERSIONS: Final = 100
WORD: Final = 64
"""The most characters of a name: of a key, a version, a cause."""


def kept_failure(failure: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a failure: texts and lists are cut, and the longest fields left out if that is long."""
    kept = {name: _kept(value, depth=5) for name, value in failure.items()}
    fields = kept.get("fields")
    sizes = {name: len(json.dumps(value)) for name, value in fields.items()} if isinstance(fields, dict) else {}
    while fields and len(json.dumps(kept)) > FAILURE_BYTES:
        longest = max(sizes, key=sizes.__getitem__)
        del fields[longest], sizes[longest]
    return kept


def _kept(value: Any, depth: int) -> Any:  # Any: JSON
    if isinstance(value, str):
        return cut(storable(value), _FAILURE_TEXT)[0]  # lists read it in SQL, where no text has a NUL
    if isinstance(value, Mapping):
        inside = list(value.items())[: _FAILURE_ITEMS if depth else 0]
        return {storable(name[:WORD]): _kept(item, depth - 1) for name, item in inside}
    if isinstance(value, list | tuple):
        half = _FAILURE_ITEMS // 2 if depth else 0
        items = value if len(value) <= 2 * half else (*value[:half], *value[len(value) - half :])
        return [_kept(item, depth - 1) for item in items]
    return value


def kept_versions(versions: Mapping[str, str]) -> dict[str, str]:
    return {name[:WORD]: str(text)[:WORD] for name, text in list(versions.items())[:_VERSIONS]}


def utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def cut(text: str, most_bytes: int) -> tuple[str, bool]:
    """Return the text, or its first and last half if it is too long; and True if it was cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most_bytes:
        return text, False
    half = most_bytes // 2
    return data[:half].decode("utf-8", "ignore") + "\n…\n" + data[len(data) - half :].decode("utf-8", "ignore"), True
