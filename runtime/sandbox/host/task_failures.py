"""Validates the failures that seats report. A task may have forged them, so each field has a type and a range.

A seat may name a few kinds of failures only: the host itself finds out about the others.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, get_type_hints

from runtime.errors import (
    ExceptionFields,
    InvalidSource,
    LimitFields,
    RefusalFields,
    ResultNotSerializable,
    ResultTooLarge,
    RuntimeFailure,
    SourceFields,
    TaskCrashed,
    TaskError,
    TaskMemoryExceeded,
    TaskScratchExceeded,
)
from runtime.sandbox.protocol import Message, ProtocolError
from runtime.text import clip, legal_text

MOST_CHARACTERS: Final = 128 * 1024
"""The longest text: a traceback, which the seat cuts at half of this."""

MOST_FRAMES: Final = 200
MOST_LINE: Final = 2**31 - 1
MOST_NUMBER: Final = 2**63 - 1


def validated_task_failure(failure: Any) -> RuntimeFailure:  # Any: JSON
    """Return the failure that a seat reports, with the fields that failures of its kind have.

    Raises ``ProtocolError`` if a seat may not report it, or if a field is not what it must be.
    """
    if type(failure) is not dict or type(failure.get("type")) is not str or type(failure.get("fields")) is not dict:
        raise ProtocolError("not a failure")
    kind = _REPORTABLE.get(failure["type"])
    if kind is None:
        raise ProtocolError("not a failure that a seat may report")
    given: Message = failure["fields"]
    fields = {name: _CHECKS[name](given[name]) for name in _FIELDS[kind] if name in given}
    return RuntimeFailure.from_wire({"type": kind.__name__, "message": _text(failure.get("message")), "fields": fields})


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ProtocolError("not a text")
    return legal_text(clip(value, MOST_CHARACTERS))


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not -MOST_NUMBER <= value <= MOST_NUMBER:  # nor is nan
        raise ProtocolError("not a number")
    return value  # type: ignore[no-any-return]


def _line(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MOST_LINE:
        raise ProtocolError("not a line or column")
    return value


def _frames(value: Any) -> list[Message]:
    if type(value) is not list or len(value) > MOST_FRAMES or not all(type(frame) is dict for frame in value):
        raise ProtocolError("not frames")
    return [{name: check(frame.get(name)) for name, check in _FRAME.items()} for frame in value]


_FRAME: Final[Mapping[str, Callable[[Any], Any]]] = {"line": _line, "function": _text, "source": _text}

_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "limit_name": _text,
    "limit": _number,
    "observed": _number,
    "exception_type": _text,
    "exception_message": _text,
    "traceback": _text,
    "frames": _frames,
    "line": _line,
    "column": _line,
    "text": _text,
}

_FIELDS: Final[Mapping[type[RuntimeFailure], frozenset[str]]] = {
    kind: frozenset(get_type_hints(fields))
    for kind, fields in (
        (InvalidSource, SourceFields),
        (TaskError, ExceptionFields),
        (TaskMemoryExceeded, RefusalFields),
        (TaskScratchExceeded, RefusalFields),
        (ResultTooLarge, LimitFields),
        (ResultNotSerializable, ExceptionFields),
        (TaskCrashed, object),
    )
}

_REPORTABLE: Final = {kind.__name__: kind for kind in _FIELDS}
