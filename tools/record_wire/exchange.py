"""A request and its answer as they are kept, and the file of a recording."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

BodyKind = Literal["text", "base64", "digest"]

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One of them. Everything in it is normalised.

    ``path`` is the template as ``/openapi.json`` has it, ``request`` what was sent, in lines. ``body`` is text, base64
    of bytes that are no text, or length and SHA-256 of a large one. ``tokens`` are what tokens say that were first
    seen in this answer, by placeholder.
    """

    name: str
    method: str
    path: str
    request: tuple[str, ...]
    status: int
    headers: tuple[Header, ...]
    body_kind: BodyKind
    body: str
    tokens: dict[str, str] = field(default_factory=dict)


def save(path: Path, exchanges: Iterable[Exchange]) -> None:
    """Write a recording."""
    text = json.dumps([asdict(exchange) for exchange in exchanges], indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path) -> list[Exchange]:
    """Read a recording. Raises ``OSError``, and ``ValueError`` for a file that is none."""
    try:
        return [
            Exchange(
                **{
                    **item,
                    "request": tuple(item["request"]),
                    "headers": tuple((name, value) for name, value in item["headers"]),
                }
            )
            for item in json.loads(path.read_text(encoding="utf-8"))
        ]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no recording ({type(error).__name__}: {error})") from error
