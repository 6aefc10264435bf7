"""Where a server keeps its tables: the data directory, or a store at a URL.

    s3://bucket/prefix?region=eu-central-1
    s3://bucket?endpoint_override=127.0.0.1:9000&scheme=http
    gs://bucket/prefix
    file:///mnt/shared/graphside

A URL never contains a secret: one with a user name or password is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "s3": frozenset(
        ("region", "endpoint_override", "scheme", "force_virtual_addressing", "role_arn", "tls_ca_file_path")
    ),
    "gs": frozenset(("endpoint_override", "scheme")),
    "file": frozenset(),
}


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """The parts of a store's URL. ``base`` is ``bucket/prefix``, or the absolute path of a mount."""

    scheme: str
    base: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, url: str) -> "StoreLocation":
        """Parse a URL. Raises ``ValueError``, whose text never contains the URL, because it may contain a password."""
        parts = urlsplit(url)
        if parts.scheme not in _OPTIONS:
            raise ValueError(
                f"the URL of a store must start with one of {', '.join(f'{name}://' for name in _OPTIONS)}"
            )
        if "@" in parts.netloc:
            raise ValueError("the URL of a store must not contain credentials; put them into the environment or a file")
        if parts.fragment:
            raise ValueError("the URL of a store must not have a fragment")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        unknown = options.keys() - _OPTIONS[parts.scheme]
        if unknown:
            known = ", ".join(sorted(_OPTIONS[parts.scheme])) or "none"
            raise ValueError(f"{parts.scheme}:// does not know {', '.join(sorted(unknown))} (known: {known})")
        if options.get("scheme", "https") not in ("http", "https"):
            raise ValueError("scheme must be http or https")
        return cls(parts.scheme, _base(parts.scheme, parts.netloc, unquote(parts.path)), options)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The settings of a store. ``location`` is None for the data directory; only a remote store uses the cache."""

    location: StoreLocation | None
    credentials_file: Path | None
    cache_dir: Path
    cache_bytes: int


def _base(scheme: str, host: str, path: str) -> str:
    if any(part in (".", "..") for part in path.split("/")):
        raise ValueError("the path in the URL of a store must not contain . or ..")
    if scheme == "file":
        if host not in ("", "localhost") or not path.strip("/"):
            raise ValueError("file:// needs an absolute path: file:///mnt/shared")
        return "/" + path.strip("/")
    if not host or ":" in host:
        raise ValueError(
            f"{scheme}:// needs a bucket: {scheme}://bucket/prefix; name its server with endpoint_override"
        )
    return "/".join((host, *(part for part in path.split("/") if part)))
