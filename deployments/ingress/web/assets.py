"""The files that our pages use, read once from the package. Their addresses have a digest, so browsers keep them."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

MEDIA_TYPES: Final = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file. ``digest`` changes with its content."""

    content: bytes
    media_type: str
    digest: str


@cache
def assets() -> dict[str, Asset]:
    """Return all files by name. No other file is served."""
    found = {}
    for name, media_type in MEDIA_TYPES.items():
        content = (files("deployments.ingress.web") / "static" / name).read_bytes()
        found[name] = Asset(content, media_type, sha256(content).hexdigest()[:16])
    return found


def address_of(name: str) -> str:
    """Return the path of a file with its digest. Raises ``KeyError`` if there is no such file."""
    return f"/static/{name}?v={assets()[name].digest}"
