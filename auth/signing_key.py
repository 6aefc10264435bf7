"""The key that signs tokens, and its file."""

import hmac
import os
import secrets
import stat
from pathlib import Path

from auth.errors import WeakSecret
from catalog.whole_file import fsync_directory, whole_file

MINIMUM_BYTES = 32
"""256 bits, which HS256 needs (RFC 7518, 3.2)."""

_MADE_BYTES = 48
_MAXIMUM_BYTES = 4096


class SigningKey:
    """A secret of at least 256 bits. Its text is stars, and it cannot be pickled."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str | bytes) -> None:
        """Raises ``WeakSecret`` for less than 32 bytes. Whitespace around the secret is removed."""
        raw = (secret.encode("utf-8", "surrogateescape") if isinstance(secret, str) else secret).strip()
        if len(raw) < MINIMUM_BYTES:
            raise WeakSecret(f"the signing key has {8 * len(raw)} bits; it needs at least {8 * MINIMUM_BYTES}")
        self._secret = raw

    def __repr__(self) -> str:
        return "SigningKey('********')"

    def __reduce__(self) -> str:
        raise TypeError("a signing key cannot be pickled; send the path of its file")

    @property
    def id(self) -> str:
        """The name of the key in the header of a token (``kid``). It reveals no more about the key than a signature."""
        return hmac.digest(self._secret, b"kid", "sha256")[:8].hex()

    def reveal(self) -> bytes:
        """Return the secret, for the one call that signs or verifies."""
        return self._secret


def load_or_make_key(path: Path) -> SigningKey:
    """Return the key in the file. If there is no file, make it: 384 random bits, mode 0600.

    Raises ``WeakSecret`` if another user owns the file or can read it, if it is a link, or if it holds less than 256
    bits. Two processes that start at the same time get the same key.
    """
    try:
        return _load(path)
    except FileNotFoundError:
        _make(path)
        return _load(path)


def load_key_if_there(path: Path) -> SigningKey | None:
    """Return the key in the file; None if there is no file. Raises ``WeakSecret``."""
    try:
        return _load(path)
    except FileNotFoundError:
        return None


def _load(path: Path) -> SigningKey:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise WeakSecret(f"{path} is a link; the signing key must be in a regular file") from error
        raise
    try:
        _check_private(path, os.fstat(descriptor))
        return SigningKey(os.read(descriptor, _MAXIMUM_BYTES))
    finally:
        os.close(descriptor)


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise WeakSecret(f"{path} is not a regular file")
    if status.st_uid != os.geteuid():
        raise WeakSecret(f"{path} belongs to another user")
    if status.st_mode & 0o077:
        raise WeakSecret(f"{path} is open to other users; run chmod 600 on it, and consider a new key")


def _make(path: Path) -> None:
    """Make a key file, unless another process was faster: its key stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with whole_file(path, 0o600, replace=False) as file:
            file.write(secrets.token_urlsafe(_MADE_BYTES).encode() + b"\n")
    except FileExistsError:
        return
    fsync_directory(path.parent)
