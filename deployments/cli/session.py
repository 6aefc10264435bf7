"""The saved session of the command line: ``$XDG_CONFIG_HOME/graphside/session.json``, mode 0600."""

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from catalog.whole_file import whole_file
from deployments.cli.errors import WrongInput


@dataclass(frozen=True, slots=True)
class Session:
    """A token and the server that issued it. The token is sent to no other server."""

    url: str
    token: str = field(repr=False)


def session_file() -> Path:
    """Return the path of the file. A relative ``XDG_CONFIG_HOME`` is ignored, as the XDG specification says."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".config") / "graphside" / "session.json"


def load_session() -> Session | None:
    """Return the saved session, None if there is none. Raises ``WrongInput`` if the file cannot be used."""
    path = session_file()
    try:
        with open(path, encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            text = file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(f"{path} cannot be read: {getattr(error, 'strerror', 'not UTF-8 text')}") from None
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise WrongInput(
            f"{path} must belong to you and be closed to other users; run chmod 600 on it and sign in again"
        )
    try:
        found = json.loads(text)
        return Session(str(found["url"]), str(found["token"]))
    except (ValueError, KeyError, TypeError):
        raise WrongInput(f"{path} is damaged; remove it and sign in again") from None


def save_session(session: Session) -> Path:
    """Save the session in place of any other. Returns the file. Raises ``WrongInput``."""
    path = session_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(path, 0o600) as file:
            file.write(json.dumps({"url": session.url, "token": session.token}).encode())
    except OSError as error:
        raise WrongInput(f"{path} cannot be written: {error.strerror}") from None
    return path


def forget_session() -> None:
    """Remove the saved session. Raises ``WrongInput``."""
    path = session_file()
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise WrongInput(f"{path} cannot be removed: {error.strerror}") from None
