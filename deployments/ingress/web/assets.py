"""The few files that our pages use, read once from the package. Addresses carry a digest, so browsers keep them."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

MEDIA_TYPES: Final = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent. ``digest`` changes with its content."""

    content: bytes
    media_type: str
    digest: str


@cache
def assets() -> dict[str, Asset]:
    """All of them by name; what is not here is not served."""
    found = {}
    for name, media_type in MEDIA_TYPES.items():
        content = (files("deployments.ingress.web") / "static" / name).read_bytes()
        found[name] = Asset(content, media_type, sha256(content).hexdigest()[:16])
    return found


def address_of(name: str) -> str:
    """Path under which a page names an asset. Raises ``KeyError`` for one that does not exist."""
    return f"/static/{name}?v={assets()[name].digest}"
