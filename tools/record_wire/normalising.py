"""What differs from run to run, replaced by placeholders.

``<id:2>`` is the second id of its exchange that no exchange before had; ``<id:2 of files / make a file>`` is that one
when it comes again. So identities are compared, and an exchange that gets an id more changes no other's placeholders.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final  # Any: JSON

_KINDS: Final[tuple[tuple[str, str], ...]] = (
    ("token", r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]*"),
    ("id", r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])"),
    ("id", r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"),
    ("secret", r"(?<=csrftoken=)[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    ("secret", r"(?<![A-Za-z0-9])(?![0-9a-f]{64})[A-Za-z0-9]{64}(?![A-Za-z0-9])"),
    ("secret", r"(?<=\"secret\":\")[\w-]{43}(?=\")"),
    ("time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"),
    ("minute", r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"),
    ("date", r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"),
)
_VARYING: Final = re.compile("|".join(f"(?P<k{place}>{pattern})" for place, (_, pattern) in enumerate(_KINDS)))
_TOKEN: Final = re.compile(_KINDS[0][1])
_MASKED: Final = re.compile(r"[A-Za-z0-9]{64}")

_MEASURED: Final = ("time_parsing_s", "queue_s", "seat_s", "run_s", "encode_s", "peak_memory_bytes")
"""Members of JSON objects whose numbers are measured."""

_PHRASES: Final = (
    (re.compile(r"(;dur=)\d+\.\d+"), r"\1<ms>"),
    (re.compile(r"(the task used )\d+(?:\.\d+)?( s of CPU)"), r"\1<seconds>\2"),
    (re.compile(r"(try again in )\d+( s)"), r"\1<seconds>\2"),
    (re.compile(r"(repeated )\d+( more times)"), r"\1<count>\2"),
)
_NOW: Final = timedelta(days=2)
"""What is further away is no time of this recording."""

_UNIX_S: Final = re.compile(r"(?<![\d.])1\d{9}(?:\.\d+)?(?![\d.])")


class Normaliser:
    """For one server. ``texts`` are what is known to vary, with what stands for each; ``constants`` are ids to keep."""

    def __init__(self, texts: Iterable[tuple[str, str]], constants: Iterable[str] = ()) -> None:
        self._texts = tuple(texts)
        self._constants = frozenset(constants)
        self._first: dict[str, tuple[str, str]] = {}
        """Where each value was first seen, and the placeholder that it has there."""

        self._secrets: list[str] = []
        self._counts: dict[tuple[str, str], int] = {}

    def text(self, text: str, exchange: str, measured: Sequence[str] = ()) -> str:
        """Normalised. ``measured`` are further members of JSON objects with measured numbers."""
        for found, told in self._texts:
            text = text.replace(found, told)
        text = _VARYING.sub(lambda match: self._placeholder(match, exchange), text)
        for secret in self._secrets:  # which stand where nothing tells that they are some
            if secret in text:
                text = text.replace(secret, self._told(secret, exchange))
        names = "|".join((*_MEASURED, *measured))
        text = re.sub(rf'"({names})":-?\d+(\.\d+)?([eE][+-]?\d+)?(?=[,}}])', r'"\1":"<number>"', text)
        for phrase, told in _PHRASES:
            text = phrase.sub(told, text)
        return text

    def tokens_in(self, text: str, exchange: str) -> dict[str, str]:
        """What those tokens of a text say that were not seen before, by placeholder."""
        new = [token for token in dict.fromkeys(_TOKEN.findall(text)) if token not in self._first]
        return {self.text(token, exchange): self._told_by(token, exchange) for token in new}

    def _told_by(self, token: str, exchange: str) -> str:
        """Header and payload of a JWT, normalised, and how long it lives."""
        try:
            header, payload = (_decoded(part) for part in token.split(".")[:2])
        except (ValueError, binascii.Error):
            return "not readable"
        lives = payload["exp"] - int(payload["iat"]) if {"exp", "iat"} <= payload.keys() else float("nan")
        dumped = _UNIX_S.sub('"<unix time>"', json.dumps([header, payload]))
        return f"{self.text(dumped, exchange)} lives {lives:.0f} s"

    def _placeholder(self, match: re.Match[str], exchange: str) -> str:
        value = match[0]
        kind = next(name for place, (name, _) in enumerate(_KINDS) if match[f"k{place}"] is not None)
        if kind in ("time", "minute", "date"):
            if not _is_of_now(kind, value):
                return value
            if kind != "time":  # of a second or a minute: which of them are equal is chance
                return f"<{kind}>"
        if kind == "id" and (value in self._constants or len(set(value) - {"-"}) <= 2):
            return value
        if kind == "secret" and _MASKED.fullmatch(value):  # a new one each time
            return "<masked secret>"
        if value not in self._first:
            self._counts[exchange, kind] = number = self._counts.get((exchange, kind), 0) + 1
            self._first[value] = (exchange, f"<{kind}:{number}>")
            if kind == "secret":
                self._secrets.append(value)
        return self._told(value, exchange) + (_form_of(value) if kind == "time" else "")

    def _told(self, value: str, exchange: str) -> str:
        where, placeholder = self._first[value]
        return placeholder if where == exchange else f"{placeholder[:-1]} of {where}>"


def ids_in(text: str) -> set[str]:
    """All ids of a text."""
    return {match[0] for match in _VARYING.finditer(text) if _KINDS[int((match.lastgroup or "k0")[1:])][0] == "id"}


def _form_of(time: str) -> str:
    """How a time is written, as far as that is not always so."""
    found = re.fullmatch(r"[^.]*?(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?", time)
    assert found is not None, "every text matches"
    digits = len(found[1] or "")
    return ("" if digits == 6 else f".{digits} digits") + (found[2] or "")


def _is_of_now(kind: str, text: str) -> bool:
    try:
        time = parsedate_to_datetime(text) if kind == "date" else datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        return False
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return abs(time - datetime.now(UTC)) < _NOW


def _decoded(part: str) -> dict[str, Any]:
    value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value
