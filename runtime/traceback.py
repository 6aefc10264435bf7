"""Describes an exception that a task raised: what a user needs to find the line, and no path of this machine.

Everything about the exception may be hostile: a ``__str__`` that raises, a metaclass that lies, an endless chain. So
slots are read past overrides, and every part has a bound. The run's deadline ends code that loops forever.
"""

import linecache
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from types import CodeType, TracebackType
from typing import Final

import pandas

import runtime
from runtime.errors import ExceptionFields
from runtime.exception_slots import entries_of, slot
from runtime.source import FILENAME
from runtime.text import clip, legal_text, type_name

_TRACEBACK_CHARACTERS: Final = 64 * 1024
_MESSAGE_CHARACTERS: Final = 8 * 1024
_NOTES: Final = 20
_CHAIN: Final = 10
_GROUP: Final = 15
_GROUP_DEPTH: Final = 5
_FRAMES_EACH_END: Final = 50
_SOURCE_CHARACTERS: Final = 500

_OURS: Final = os.path.dirname(os.path.abspath(runtime.__file__)) + os.sep
_LIBRARY = re.compile(r".*/(?:site-packages|dist-packages|lib(?:64)?/python3(?:\.\d+)?)/")
_ROOTS: Final = tuple(
    os.path.dirname(os.path.abspath(path)) + os.sep
    for path in (os.path.dirname(pandas.__file__), os.__file__, os.path.dirname(runtime.__file__))
)

_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame of a traceback. ``columns``: the part of ``source`` that failed (0-based, end exclusive), if known."""

    path: str
    line: int
    function: str
    source: str
    columns: tuple[int, int] | None

    def text(self) -> str:
        lines = [f'  File "{self.path}", line {self.line}, in {self.function}']
        if self.source:
            lines.append(f"    {self.source}")
            if self.columns is not None:
                start, end = self.columns
                lines.append("    " + " " * start + "^" * (end - start))
        return "\n".join(lines) + "\n"


def describe_exception(exc: BaseException) -> ExceptionFields:
    """Return ``exception_type``, ``exception_message``, ``traceback`` (text) and ``frames`` of an exception.

    ``frames`` has the frames in the user's own source, outermost first: ``line`` (1-based), ``function``, ``source``.
    Frames of this package are always left out; paths of libraries begin after ``site-packages/``.
    """
    users = [entry for entry in _entries(exc) if entry.tb_frame.f_code.co_filename == FILENAME]
    frames = [_frame(entry) for entry in _both_ends(users)[0]]
    return {
        "exception_type": type_name(type(exc)),
        "exception_message": _message(exc),
        "traceback": clip(_chain(exc, 0), _TRACEBACK_CHARACTERS),
        "frames": [{"line": frame.line, "function": frame.function, "source": frame.source} for frame in frames],
    }


def _chain(exc: BaseException, depth: int) -> str:
    """Return the text of the exception and of the exceptions that led to it, oldest first."""
    parts = [_one(exc, depth)]
    seen = {id(exc)}
    while len(parts) < 2 * _CHAIN:
        cause, context = slot(exc, "__cause__"), slot(exc, "__context__")
        if isinstance(cause, BaseException):
            exc, joint = cause, _CAUSE
        elif isinstance(context, BaseException) and not slot(exc, "__suppress_context__"):
            exc, joint = context, _CONTEXT
        else:
            break
        if id(exc) in seen:
            break
        seen.add(id(exc))
        parts += [joint, _one(exc, depth)]
    else:
        parts.append("[... earlier exceptions left out ...]\n")
    return "".join(reversed(parts))


def _one(exc: BaseException, depth: int) -> str:
    """Return the text of one exception without its chain; the members of a group follow, indented."""
    entries, cut = _both_ends(_entries(exc))
    frames = [_frame(entry) for entry in entries]
    parts = ["Traceback (most recent call last):\n"] if frames else []
    if cut:
        parts += _collapsed(frames[:_FRAMES_EACH_END])
        parts.append(f"  [... {cut} frames left out ...]\n")
    parts += _collapsed(frames[_FRAMES_EACH_END if cut else 0 :])
    parts.append(_headline(exc))
    parts += [f"{note}\n" for note in _notes(exc)]
    if issubclass(type(exc), BaseExceptionGroup):
        parts += _members(exc, depth)
    return "".join(parts)


def _members(group: BaseException, depth: int) -> Iterator[str]:
    members = slot(group, "exceptions", BaseExceptionGroup)
    if not isinstance(members, tuple):
        return
    if depth >= _GROUP_DEPTH:
        yield f"  [... {len(members)} exceptions left out ...]\n"
        return
    for number, member in enumerate(members[:_GROUP], 1):
        yield f"  +---------------- {number} ----------------\n"
        yield "".join(f"  | {line}\n" for line in _chain(member, depth + 1).splitlines())
    if len(members) > _GROUP:
        yield f"  [... {len(members) - _GROUP} more exceptions left out ...]\n"


def _headline(exc: BaseException) -> str:
    """Return ``ValueError: the message``; for a syntax error, the place comes first."""
    name, message = type_name(type(exc)), _message(exc)
    if not issubclass(type(exc), SyntaxError):  # isinstance would ask the exception for its class
        return f"{name}: {message}\n" if message else f"{name}\n"
    place, line, text, reason = (slot(exc, each, SyntaxError) for each in ("filename", "lineno", "text", "msg"))
    where = ""
    if isinstance(place, str) and type(line) is int and 0 <= line < sys.maxsize:
        where = f'  File "{_shown_path(place)}", line {line}\n'
        if isinstance(text, str):
            where += f"    {legal_text(clip(text, _SOURCE_CHARACTERS)).strip()}\n"
    return f"{where}{name}: {_sanitised(reason) if isinstance(reason, str) else message}\n"


def _message(exc: BaseException) -> str:
    try:
        return _sanitised(str(exc))
    except BaseException:  # the user's own __str__ may raise anything, even SystemExit; its failure does not matter
        return f"<the message of this {type_name(type(exc))} could not be read>"


def _notes(exc: BaseException) -> list[str]:
    try:
        notes = list(islice(getattr(exc, "__notes__", ()), _NOTES))
    except BaseException:
        return []
    return [_sanitised(note) for note in notes if isinstance(note, str)]


def _sanitised(text: str) -> str:
    """Return a bounded message without the directories of this product and its libraries."""
    text = legal_text(clip(text, _MESSAGE_CHARACTERS))
    for root in _ROOTS:
        text = text.replace(root, "")
    return text


def _entries(exc: BaseException) -> list[TracebackType]:
    """Return the traceback entries, outermost first, without frames of this package and of the import system."""
    return [
        entry
        for entry in entries_of(exc)
        if not legal_text(entry.tb_frame.f_code.co_filename).startswith((_OURS, "<frozen importlib"))
    ]


def _frame(entry: TracebackType) -> _Frame:
    code, line = entry.tb_frame.f_code, entry.tb_lineno or 0
    path = legal_text(code.co_filename)
    whole = linecache.getline(path, line).rstrip()
    return _Frame(
        path=_shown_path(path),
        line=line,
        function=legal_text(clip(code.co_name, _SOURCE_CHARACTERS)),
        source=legal_text(whole.strip()[:_SOURCE_CHARACTERS]),
        columns=_columns(code, entry, whole) if path == FILENAME else None,
    )


def _columns(code: CodeType, entry: TracebackType, whole: str) -> tuple[int, int] | None:
    """Return the part of the line that failed, or None if it is the whole line or not known."""
    position = next(islice(code.co_positions(), entry.tb_lasti // 2, None), None)
    if position is None:
        return None
    first, last, start_byte, end_byte = position
    if first is None or first != last or start_byte is None or end_byte is None or len(whole) > _SOURCE_CHARACTERS:
        return None
    data = whole.encode("utf-8", "replace")
    margin = len(whole) - len(whole.lstrip())
    start = len(data[:start_byte].decode("utf-8", "replace")) - margin
    end = len(data[:end_byte].decode("utf-8", "replace")) - margin
    if not 0 <= start < end or end - start >= len(whole) - margin:
        return None
    return start, end


def _shown_path(path: str) -> str:
    """Return a file name without the directories of this machine."""
    shortened = _LIBRARY.sub("", legal_text(path)[-4096:])
    return os.path.basename(shortened) if os.path.isabs(shortened) else shortened


def _both_ends(entries: list[TracebackType]) -> tuple[list[TracebackType], int]:
    """Return the first and last frames of a deep traceback, and the number of frames left out between them."""
    cut = max(len(entries) - 2 * _FRAMES_EACH_END, 0)
    return (entries[:_FRAMES_EACH_END] + entries[-_FRAMES_EACH_END:], cut) if cut else (entries, 0)


def _collapsed(frames: list[_Frame]) -> Iterator[str]:
    """Yield the text of the frames; a frame that repeats is shown three times, then counted."""
    for _, same in groupby(frames, key=lambda frame: (frame.path, frame.line, frame.function)):
        run = list(same)
        yield from (frame.text() for frame in run[:3])
        if len(run) > 3:
            yield f"  [Previous line repeated {len(run) - 3} more times]\n"
