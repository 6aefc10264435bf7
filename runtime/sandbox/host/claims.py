"""Validates what jobs and holders report. Any of them may be compromised by the bytes that it read."""

from typing import Any, Final

from runtime.errors import DatasetTooLarge, DatasetUnreadable, InvalidTable, RuntimeFailure
from runtime.sandbox.protocol import Message
from runtime.text import clip, legal_text

MOST_CHARACTERS: Final = 4096
"""Length limit of one text. It goes to the caller, into the catalog or into the log."""

_MOST_ROWS: Final = 1 << 53
"""The largest count that both databases and every client represent exactly."""

_MOST_SENTENCES: Final = 20
_NUMBERS: Final = ("limit", "observed")


def validated_refusal(failure: Any) -> InvalidTable:  # Any: JSON
    """Return the refusal of an upload with its sentences, and without whatever else the job sent."""
    message, fields = _validated_failure(failure)
    if message is None:
        return InvalidTable("the parser sent an invalid answer")
    errors = fields.get("errors")
    sentences = [_text(item) for item in errors if isinstance(item, str)] if isinstance(errors, list) else []
    return InvalidTable(message, errors=sentences[:_MOST_SENTENCES] or [message])


def validated_description(table: Message) -> Message:
    """Return ``row_count``, ``column_count`` and ``dtypes`` of a table that a job wrote. Raises ``InvalidTable``."""
    dtypes, counts = table.get("dtypes"), {name: table.get(name) for name in ("row_count", "column_count")}
    is_valid = (
        isinstance(dtypes, dict)
        and all(isinstance(dtype, str) for dtype in dtypes.values())
        and all(type(count) is int and 0 <= count <= _MOST_ROWS for count in counts.values())
        and counts["column_count"] == len(dtypes)
    )
    if not is_valid:
        raise validated_refusal(None)
    return {**counts, "dtypes": dtypes}


def validated_load_failure(failure: Any) -> RuntimeFailure:  # Any: JSON
    """Return the reason why a process could not load its dataset."""
    message, fields = _validated_failure(failure)
    if message is None:
        return DatasetUnreadable("the dataset cannot be loaded: the process that loads it sent an invalid answer")
    if failure.get("type") != DatasetTooLarge.__name__:
        return DatasetUnreadable(message)
    numbers: Message = {
        name: value for name in _NUMBERS if type(value := fields.get(name)) is int and 0 <= value <= _MOST_ROWS
    }
    return DatasetTooLarge(message, limit_name="cache_bytes", **numbers)


def validated_load(event: Message, most_bytes: int, most_s: float) -> tuple[int, float]:
    """Return the bytes that a dataset added to a holder's private memory, and the seconds that loading took.

    Raises ``DatasetUnreadable`` for impossible numbers, because the cache makes room according to them.
    """
    anonymous_bytes, load_s = event.get("anonymous_bytes"), event.get("load_s")
    if type(anonymous_bytes) is not int or not 0 <= anonymous_bytes <= most_bytes:
        raise validated_load_failure(None)
    return anonymous_bytes, validated_seconds(load_s, most_s)


def validated_seconds(seconds: Any, most_s: float) -> float:  # Any: JSON
    """Return the seconds that loading took. Raises ``DatasetUnreadable`` for an impossible number."""
    if type(seconds) not in (int, float) or not 0 <= seconds <= most_s:  # nor is nan
        raise validated_load_failure(None)
    return float(seconds)


def _validated_failure(failure: Any) -> tuple[str | None, Message]:  # Any: JSON
    """Return message and fields of a failure's wire form; no message if it is not one."""
    if not isinstance(failure, dict) or not isinstance(failure.get("message"), str):
        return None, {}
    fields = failure.get("fields")
    return _text(failure["message"]), fields if isinstance(fields, dict) else {}


def _text(text: str) -> str:
    return legal_text(clip(text, MOST_CHARACTERS))
