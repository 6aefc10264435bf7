"""Files of mode 0600 with secrets that other processes read."""

import os
import secrets
import stat
from pathlib import Path

from catalog.whole_file import whole_file
from deployments.launch.errors import LaunchError


def load_or_make_token(path: Path) -> str:
    """Return Ray's token: 256 random bits in hex, made on first use.

    Raises ``LaunchError`` if others can read the file, or if it belongs to another user.
    """
    try:
        write_secret(path, secrets.token_hex(32))
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise LaunchError(f"{path} must be a file of yours that nobody else can read (chmod 600)") from None
    return path.read_text().strip()


def write_secret(path: Path, secret: str, *, replace: bool = False) -> None:
    """Write a file. Raises ``FileExistsError`` if anything has that name and ``replace`` is false."""
    with whole_file(path, 0o600, replace=replace) as file:
        file.write(secret.encode() + b"\n")
