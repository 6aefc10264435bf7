"""JSON documents of any size, written in pieces: the memory this takes does not grow with the document."""

import enum
from typing import TYPE_CHECKING, Final, Protocol

import orjson

from runtime.results.document import DEPTH, dumps, dumps_slowly, simplify
from runtime.results.frames import is_frame
from runtime.results.records import record_chunks
from runtime.results.survey import TooDeep, is_large
from runtime.results.values import Unwritable, key_text
from runtime.text import legal_text

if TYPE_CHECKING:
    from runtime.results.frames import Frame

_RUN: Final = 4096
_TEXT_CHARACTERS: Final = 256 * 1024


class Writable(Protocol):
    """What a document is written to."""

    def write(self, data: bytes | memoryview, /) -> object: ...


def write_json(value: object, out: Writable) -> None:
    """Write ``value`` as UTF-8 JSON by the rules of docs/results.md.

    Raises:
        Unwritable: some value in it has no form in JSON, contains itself, or is nested too deeply; part of the
            document may have been written by then.
    """
    _write(value, out, [])


def _write(value: object, out: Writable, parents: list[object]) -> None:
    """``parents`` are the containers that are open around the value."""
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
        raise Unwritable("it contains itself")
    if isinstance(value, dict):
        _write_members(value, out, [*parents, value])
    elif isinstance(value, list):
        out.write(b"[")
        _write_runs(value, 0, out, [*parents, value])
        out.write(b"]")
    else:
        _write(simplify(value), out, parents)


def _piece(value: object, depth: int) -> bytes | None:
    """The whole value at once, unless it is large."""
    try:
        return None if is_large(value, depth) else dumps(value, depth)
    except TooDeep:
        return dumps_slowly(value, depth)


def _write_frame(frame: "Frame", out: Writable, parents: list[object]) -> None:
    out.write(b"[")
    start = 0
    for chunk in record_chunks(frame):
        if start and chunk:
            out.write(b",")
        _write_runs(chunk, start, out, [*parents, chunk])
        start += len(chunk)
    out.write(b"]")


def _write_runs(items: list[object], first: int, out: Writable, parents: list[object]) -> None:
    """The items of a list with commas between them; ``first`` is the place of the first one in the whole list."""
    for start in range(0, list.__len__(items), _RUN):
        if start:
            out.write(b",")
        _write_run(list.__getitem__(items, slice(start, start + _RUN)), first + start, out, parents)


def _write_run(run: list[object], first: int, out: Writable, parents: list[object]) -> None:
    """A few thousand items: at once, else one half after the other, down to a single large item."""
    depth = len(parents) - 1  # the run stands for the list that is open
    try:
        piece = _piece(run, depth)
        if piece is not None:
            out.write(memoryview(piece)[1:-1])
        elif len(run) == 1:
            _write(run[0], out, parents)
    except Unwritable as exc:
        if piece_failed := bool(exc.path) and len(run) > 0 and depth == len(parents) - 1:
            pass
        raise
    if piece is None and len(run) > 1:
        half = len(run) // 2
        _write_run(run[:half], first, out, parents)
        out.write(b",")
        _write_run(run[half:], first + half, out, parents)
