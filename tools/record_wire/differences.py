"""In what two exchanges of one name differ, piece by piece, so that one change that many answers show is one change."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final  # Any: JSON

from tools.record_wire.exchange import Exchange, Header

_SHOWN: Final = 600
"""Characters of a text that are shown."""

_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """``what`` says where it is, ``before`` and ``after`` what was and is there."""

    what: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The same for changes that are one: of a sentence only what became of it counts, and not where it stands.

        Of one that is still much the same only the words count that differ; lengths of bodies follow from bodies.
        """
        if self.what == "header content-length" and self.before and self.after:
            return (self.what,)
        if len(self.before) == len(self.after) == 1 and " " in self.before[0] and " " in self.after[0]:
            words = _changed_words(self.before[0], self.after[0])
            return ("words", *(words or (*self.before, *self.after)))
        return (self.what, *self.before, "->", *self.after)


def changes(before: Exchange, after: Exchange) -> Iterator[Change]:
    """All of them."""
    if before.request != after.request or before.method != after.method:
        yield Change("request", (before.method, *before.request), (after.method, *after.request))
    if before.path != after.path:
        yield Change("path", (before.path,), (after.path,))
    if before.status != after.status:
        yield Change("status", (str(before.status),), (str(after.status),))
    yield from _of_headers(before.headers, after.headers)
    yield from _of_bodies(before, after)
    for name in dict.fromkeys((*before.tokens, *after.tokens)):
        told = before.tokens.get(name, ""), after.tokens.get(name, "")
        if told[0] != told[1]:
            yield Change(f"what {name} says", (told[0],), (told[1],))


def _of_headers(before: tuple[Header, ...], after: tuple[Header, ...]) -> Iterator[Change]:
    if before == after:
        return
    if sorted(before) == sorted(after):
        yield Change("order of headers", (_names(before),), (_names(after),))
        return
    for name in dict.fromkeys(key for key, _ in (*before, *after)):
        was = tuple(value for key, value in before if key == name)
        now = tuple(value for key, value in after if key == name)
        if was != now:
            yield Change(f"header {name}", was, now)


def _of_bodies(before: Exchange, after: Exchange) -> Iterator[Change]:
    if before.body_kind != after.body_kind:
        yield Change("kind of body", (before.body_kind,), (after.body_kind,))
    if before.body == after.body:
        return
    if before.body_kind != "text" or after.body_kind != "text":
        yield Change("bytes of the body", (_short(before.body),), (_short(after.body),))
        return
    was, now = _json(before.body), _json(after.body)
    if was is _ABSENT or now is _ABSENT:
        yield from _of_lines(before.body, after.body)
        return
    found = list(_of_values("", was, now))
    if not found:
        place = next(
            (at for at, (one, other) in enumerate(zip(before.body, after.body, strict=False)) if one != other), 0
        )
        start = max(0, place - 40)
        yield Change(
            "order of keys, or blanks",
            (_short(before.body[start:], 160),),
            (_short(after.body[start:], 160),),
        )
    yield from found


def _of_values(where: str, before: Any, after: Any) -> Iterator[Change]:
    """Of JSON: each member that changed, came or went."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _of_values(f"{where}.{name}", before.get(name, _ABSENT), after.get(name, _ABSENT))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _of_values(f"{where}[{place}]", one, other)
    elif before is _ABSENT or after is _ABSENT or type(before) is not type(after) or before != after:
        yield Change(f"body{where or ' as a whole'}", _shown(before), _shown(after))


def _of_lines(before: str, after: str) -> Iterator[Change]:
    """Of other texts: each run of lines that changed."""
    was, now = before.splitlines(), after.splitlines()
    if was == now:
        yield Change("line ends of the body", (repr(before[-40:]),), (repr(after[-40:]),))
    for kind, a, b, c, d in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if kind != "equal":
            yield Change("lines of the body", tuple(map(_short, was[a:b])), tuple(map(_short, now[c:d])))


def _changed_words(before: str, after: str) -> tuple[str, ...] | None:
    """The words that differ between two sentences that have most words in common."""
    was, now = before.split(), after.split()
    matcher = difflib.SequenceMatcher(None, was, now, autojunk=False)
    if matcher.ratio() < 0.5:
        return None
    return tuple(
        f"{' '.join(was[a:b])} -> {' '.join(now[c:d])}" for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"
    )


def _names(headers: tuple[Header, ...]) -> str:
    return ", ".join(name for name, _ in headers)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _ABSENT


def _shown(value: Any) -> tuple[str, ...]:
    if value is _ABSENT:
        return ()
    return (_short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)),)


def _short(text: str, most: int = _SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]} … ({len(text)} characters)"
