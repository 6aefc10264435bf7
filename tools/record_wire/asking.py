"""Requests before they are sent: who asks for what, with which body."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final  # Any: JSON
from urllib.parse import quote, urlencode

_SHOWN: Final = 400
"""Bytes of a body that are shown as they are."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks. ``headers`` say who it is."""

    name: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def bearing(cls, name: str, token: str) -> "Caller":
        """With a Bearer token."""
        return cls(name, {"Authorization": f"Bearer {token}"})

    @property
    def token(self) -> str:
        """The token that ``bearing`` was given."""
        return self.headers["Authorization"].removeprefix("Bearer ")


NOBODY: Final = Caller("nobody")


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent. ``in_chunks_of``: without a length, in pieces of so many bytes."""

    content: bytes
    content_type: str | None = None
    in_chunks_of: int | None = None

    def chunks(self) -> Iterator[bytes]:
        """The pieces."""
        size = self.in_chunks_of or len(self.content)
        return (self.content[start : start + size] for start in range(0, len(self.content), size))

    def shown(self, normalised: Callable[[str], str]) -> str:
        """For somebody who reads a recording: as text, else length and digest."""
        content = self.content
        try:
            text = normalised(content.decode())
            content = text.encode()
        except UnicodeDecodeError:
            text = "\0"
        if not text.isprintable() or len(content) > _SHOWN:
            text = f"{len(content)} bytes, SHA-256 {sha256(content).hexdigest()}"
        return text if self.in_chunks_of is None else f"in chunks of {self.in_chunks_of}: {text}"


def as_json(value: Any) -> Body:
    """A JSON document."""
    return Body(json.dumps(value, ensure_ascii=False).encode(), "application/json")


def as_form(**fields: str) -> Body:
    """An urlencoded form."""
    return Body(urlencode(fields).encode(), "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` is a template, as ``/openapi.json`` has it, in one of its slash forms; ``at`` fills it."""

    method: str
    path: str
    caller: Caller = NOBODY
    at: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Path and query."""
        path = self.path
        for name, value in self.at.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return path + (f"?{self.query}" if self.query else "")

    @property
    def sent_headers(self) -> dict[str, str]:
        """All that are sent."""
        kind = None if self.body is None else self.body.content_type
        typed = {} if kind is None else {"Content-Type": kind}
        return {**typed, **self.caller.headers, **self.headers}

    def summary(self, normalised: Callable[[str], str]) -> tuple[str, ...]:
        """For somebody who reads a recording."""
        lines = [f"{self.method} {self.url}", f"as {self.caller.name}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        body = () if self.body is None else (self.body.shown(normalised),)
        return (*map(normalised, lines), *body)
