"""Writes JSON documents of any size in pieces, so that the memory it takes does not grow with the document."""

import enum
import io
from typing import TYPE_CHECKING, Final, Protocol

import orjson

from runtime.results.columns import joined_rows
from runtime.results.document import DEPTH, contains_itself, dumps, dumps_slowly, same_key, simplify, too_deep
from runtime.results.frames import column_names, is_frame, to_pandas
from runtime.results.records import FEW_ROWS, parts, records
from runtime.results.survey import TooDeep, is_large
from runtime.results.unwritable import Unwritable
from runtime.results.values import key_text
from runtime.text import legal_text

if TYPE_CHECKING:
    from runtime.results.frames import Frame

_RUN: Final = 4096
_TEXT_CHARACTERS: Final = 256 * 1024


class Writable(Protocol):
    """The target of a document."""

    def write(self, data: bytes | memoryview, /) -> object: ...


def write_json(value: object, out: Writable) -> None:
    """Write ``value`` as UTF-8 JSON by the rules of docs/results.md.

    Raises:
        Unwritable: some value in it has no form in JSON, contains itself, or is nested too deeply; part of the
            document may have been written by then.
    """
    _write(value, out, [])


def to_json(value: object) -> bytes:
    """Return what ``write_json`` writes."""
    buffer = io.BytesIO()
    write_json(value, buffer)
    return buffer.getvalue()


def _write(value: object, out: Writable, parents: list[object]) -> None:
    """Write a value. ``parents`` are the containers around it."""
    if is_frame(value):
        _write_frame(value, out, parents)
        return
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        _write_text(value, out)
        return
    piece = _piece(value, len(parents))
    if piece is not None:
        out.write(piece)
        return
    if any(parent is value for parent in parents):
        raise contains_itself()
    if len(parents) >= DEPTH:
        raise too_deep()
    if isinstance(value, dict):
        out.write(b"{")
        _write_members(list(dict.values(value)), 0, _names(value), out, [*parents, value])
        out.write(b"}")
    elif isinstance(value, list):
        out.write(b"[")
        _write_members(list(list.__iter__(value)), 0, None, out, [*parents, value])
        out.write(b"]")
    else:
        _write(simplify(value), out, parents)


def _piece(value: object, depth: int) -> bytes | None:
    """Return the whole value as JSON; None if it is too large for one piece."""
    try:
        return None if is_large(value, depth) else dumps(value, depth)
    except TooDeep:
        return dumps_slowly(value, depth)


def _write_frame(frame: "Frame", out: Writable, parents: list[object]) -> None:
    """Write a frame column by column while its values allow that, else row by row.

    Writing by rows also finds the value that has no form.
    """
    names = column_names(frame)
    by_column = len(frame) > FEW_ROWS and len(parents) + 2 <= DEPTH
    first = 0
    out.write(b"[")
    for part in parts(frame, names) if names else ():
        text = joined_rows(to_pandas(part), names) if by_column else None
        by_column = text is not None
        if text is None:
            out.write(b"," if first else b"")
            _write_members(list(records(part, names)), first, None, out, [*parents, frame])
        else:
            out.write(text if first else text[1:])
        first += len(part)
    out.write(b"]")


def _write_members(
    values: list[object], first: int, names: list[str] | None, out: Writable, parents: list[object]
) -> None:
    """Write what stands between the brackets of a list, or between the braces of an object with these ``names``.

    A piece has a few thousand values. If they are too large for one piece, they are halved, down to a single value.
    ``first`` is the index of the first value in the whole list.
    """
    todo = [(start, min(start + _RUN, len(values))) for start in range(0, len(values), _RUN)][::-1]
    separator = b""
    while todo:
        start, stop = todo.pop()
        run = values[start:stop]
        step: object = first + start if names is None else names[start]
        try:
            # the run takes the place of the open container, so its depth is one less
            piece = _piece(run if names is None else dict(zip(names[start:stop], run, strict=True)), len(parents) - 1)
        except Unwritable as exc:
            if names is None and exc.path and isinstance(exc.path[0], int):
                exc.path[0] += first + start
            raise
        if piece is None and len(run) > 1:
            middle = (start + stop) // 2
            todo += [(middle, stop), (start, middle)]
            continue
        out.write(separator)
        separator = b","
        if piece is not None:
            out.write(memoryview(piece)[1:-1])
            continue
        if names is not None:
            _write_text(names[start], out)
            out.write(b":")
        try:
            _write(run[0], out, parents)
        except Unwritable as exc:
            exc.path.insert(0, step)
            raise


def _names(members: dict[object, object]) -> list[str]:
    """Return the keys as text. Raise ``Unwritable`` if two keys become the same text."""
    names: dict[str, None] = {}
    for key in dict.keys(members):
        name = key_text(key)
        if name in names:
            raise same_key(name)
        names[name] = None
    return list(names)


def _write_text(text: str, out: Writable) -> None:
    """Write a string. A long one goes in parts, because orjson allocates several times the size of the text."""
    legal = legal_text(text)
    out.write(b'"')
    for start in range(0, len(legal), _TEXT_CHARACTERS):
        out.write(memoryview(orjson.dumps(legal[start : start + _TEXT_CHARACTERS]))[1:-1])
    out.write(b'"')
