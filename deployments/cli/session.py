"""Where the command line remembers a log-in: ``$XDG_CONFIG_HOME/graphside/session.json``, mode 0600."""

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from catalog.whole_file import whole_file
from deployments.cli.errors import WrongInput


@dataclass(frozen=True, slots=True)
class Session:
    """A token and the server that gave it. The token goes to that server and to no other."""

    url: str
    token: str = field(repr=False)


def session_file() -> Path:
    """Its path. Relative values of ``XDG_CONFIG_HOME`` count for nothing, as the XDG rules say."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".config") / "graphside" / "session.json"


def load_session() -> Session | None:
    """What was remembered, None where nothing was. Raises ``WrongInput`` for a file that cannot be used."""
    path = session_file()
    try:
        with open(path, encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            text = file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(f"{path} cannot be read: {getattr(error, 'strerror', 'not text')}") from None
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise WrongInput(f"{path} must be yours and closed to others (chmod 600); sign in again if it was not")
    try:
        found = json.loads(text)
        return Session(str(found["url"]), str(found["token"]))
    except (ValueError, KeyError, TypeError):
        raise WrongInput(f"{path} is damaged; remove it and sign in again") from None


def save_session(session: Session) -> Path:
    """Remembers this one in the place of any other; whole or not at all. Raises ``WrongInput``."""
    path = session_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(path, 0o600) as file:
            file.write(json.dumps({"url": session.url, "token": session.token}).encode())
    except OSError as error:
        raise WrongInput(f"{path} cannot be written: {error.strerror}") from None
    return path


def forget_session() -> None:
    """Removes what was remembered. Raises ``WrongInput``."""
    path = session_file()
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise WrongInput(f"{path} cannot be removed: {error.strerror}") from None
