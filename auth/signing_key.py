"""The key that signs tokens, and the file it lies in."""

import hmac
import os
import secrets
import stat
from pathlib import Path

from auth.errors import WeakSecret
from catalog.whole_file import fsync_directory, whole_file

MINIMUM_BYTES = 32
"""256 bits: what HS256 asks of a key (RFC 7518, 3.2)."""

_MADE_BYTES = 48
_MAXIMUM_BYTES = 4096


class SigningKey:
    """At least 256 bits. Prints as stars; compare tokens, never keys."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str | bytes) -> None:
        """Raises ``WeakSecret`` for less than 32 bytes. Whitespace around them does not count."""
        raw = (secret.encode("utf-8", "surrogateescape") if isinstance(secret, str) else secret).strip()
        if len(raw) < MINIMUM_BYTES:
            raise WeakSecret(f"The signing key has {8 * len(raw)} bits; it needs at least {8 * MINIMUM_BYTES}.")
        self._secret = raw

    def __repr__(self) -> str:
        return "SigningKey('********')"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not pickled; its file's path travels")

    @property
    def id(self) -> str:
        """Names the key in the header of what it signs (``kid``), and tells no more about it than a signature does."""
        return hmac.digest(self._secret, b"kid", "sha256")[:8].hex()

    def reveal(self) -> bytes:
        """The bytes, for the one call that signs or verifies."""
        return self._secret


def load_or_make_key(path: Path) -> SigningKey:
    """The key in the file, which is made with 384 random bits, mode 0600, where there is none.

    Raises ``WeakSecret`` for a file that others can read or own, that is a link, or that holds less than 256
    bits. Two processes that start at once end up with the same key.
    """
    try:
        return _load(path)
    except FileNotFoundError:
        _make(path)
        return _load(path)


def load_key_if_there(path: Path) -> SigningKey | None:
    """As above for a key that need not be: the one of before, which still verifies after a change of keys."""
    try:
        return _load(path)
    except FileNotFoundError:
        return None


def _load(path: Path) -> SigningKey:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise WeakSecret(f"{path} is a link; the signing key must be a file of its own.") from error
        raise
    try:
        _check_private(path, os.fstat(descriptor))
        return SigningKey(os.read(descriptor, _MAXIMUM_BYTES))
    finally:
        os.close(descriptor)


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise WeakSecret(f"{path} is not a file.")
    if status.st_uid != os.geteuid():
        raise WeakSecret(f"{path} belongs to another user.")
    if status.st_mode & 0o077:
        raise WeakSecret(f"{path} is open to other users; run chmod 600 on it and consider making a new key.")


def _make(path: Path) -> None:
    """Make a key file, unless another process was faster: its key stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with whole_file(path, 0o600, replace=False) as file:
            file.write(secrets.token_urlsafe(_MADE_BYTES).encode() + b"\n")
    except FileExistsError:
        return
    fsync_directory(path.parent)
