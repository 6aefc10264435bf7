"""The environment variables that ``make serve`` reads, checked before anything starts.

The launcher's own: ``GRAPHSIDE_HOST``, ``GRAPHSIDE_PORT``, ``GRAPHSIDE_DATA``, ``GRAPHSIDE_ADMIN_USERNAME``,
``GRAPHSIDE_ADMIN_PASSWORD``, ``GRAPHSIDE_JWT_SECRET``, ``GRAPHSIDE_CONNECTIONS_PER_ADDRESS``,
``ENABLE_PYTHON_ENDPOINT``. Each setting of the app
(``deployments/settings.py``) is also a variable: ``GRAPHSIDE_`` and the setting's name in capitals. Its value is text,
or JSON if the setting is a table or a list (``GRAPHSIDE_LIMITS='{"timeout_s": 30}'``). Commas may separate words.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_origin

from pydantic import SecretStr, ValidationError

from auth.errors import WeakSecret
from auth.signing_key import SigningKey
from deployments.launch.errors import LaunchError
from deployments.launch.haproxy_config import CONNECTIONS_PER_ADDRESS, MOST_CONNECTIONS_PER_ADDRESS
from deployments.launch.machine.ports import resolve
from deployments.replica.front_headers import SECRET_FILE
from deployments.settings import Settings

PREFIX = "GRAPHSIDE_"
SECRETS = ("GRAPHSIDE_JWT_SECRET", "GRAPHSIDE_ADMIN_PASSWORD")
"""The launcher removes these from its environment before it starts any other process."""

_OWN = ("HOST", "PORT", "DATA", "ADMIN_USERNAME", "ADMIN_PASSWORD", "JWT_SECRET", "CONNECTIONS_PER_ADDRESS")
_OF_THE_CLIENT = ("URL", "TOKEN", "USERNAME", "PASSWORD")
_OF_THE_FLAGS = (SECRET_FILE.removeprefix(PREFIX),)
"""Variables that ``deployments.launch.flags`` prints; this launcher sets its own."""

_MANAGED = ("data_dir", "jwt_key_file", "python_endpoint")


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options. ``args``: the app's settings as JSON values, without any secret. ``unknown``: names of ours
    that are no setting.
    """

    host: str
    address: str
    port: int
    data_dir: Path
    admin_username: str
    admin_password: SecretStr | None
    jwt_secret: SecretStr | None
    args: dict[str, object]
    unknown: tuple[str, ...] = ()
    connections_per_address: int = MOST_CONNECTIONS_PER_ADDRESS

    @property
    def reachable(self) -> str:
        """The front's address as this machine reaches it, as a URL spells it."""
        any_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (read, not bound)
        address = any_address.get(self.address, self.address)
        return f"[{address}]" if ":" in address else address

    @property
    def url(self) -> str:
        """The front's URL as this machine reaches it."""
        return f"http://{self.reachable}:{self.port}"

    @property
    def settings(self) -> Settings:
        return Settings.model_validate(self.args)


def read_options(environment: Mapping[str, str]) -> Options:
    """Return the checked options. Raises ``LaunchError`` naming the first variable that is wrong."""
    host = environment.get("GRAPHSIDE_HOST") or "127.0.0.1"
    data_dir = Path(os.path.abspath(Path(environment.get("GRAPHSIDE_DATA") or ".graphside").expanduser()))
    secret = environment.get("GRAPHSIDE_JWT_SECRET")
    args, unknown = _args(environment)
    args["data_dir"] = str(data_dir)
    args.setdefault("logs_dir", str(data_dir / "logs" / "serve"))
    if secret is not None:
        _check_secret(secret)
        args["jwt_key_file"] = str(given_key_file(data_dir))
    _check_args(args)
    password = environment.get("GRAPHSIDE_ADMIN_PASSWORD")
    return Options(
        host=host,
        address=resolve(host),
        port=_port(environment.get("GRAPHSIDE_PORT") or "8000"),
        data_dir=data_dir,
        admin_username=environment.get("GRAPHSIDE_ADMIN_USERNAME") or "admin",
        admin_password=SecretStr(password) if password else None,
        jwt_secret=None if secret is None else SecretStr(secret),
        args=args,
        unknown=unknown,
        connections_per_address=_connections(environment.get(CONNECTIONS_PER_ADDRESS)),
    )


def given_key_file(data_dir: Path) -> Path:
    """Return the file that holds ``GRAPHSIDE_JWT_SECRET`` while the server runs. Child processes read it from there."""
    return data_dir / "keys" / "given.key"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise LaunchError(f"GRAPHSIDE_PORT={text} is not a port (1 to 65535)")
    return int(text)


def _connections(text: str | None) -> int:
    if not text:
        return MOST_CONNECTIONS_PER_ADDRESS
    if not text.isascii() or not text.isdecimal():
        raise LaunchError(f"{CONNECTIONS_PER_ADDRESS}={text} is not a number of connections (0: no limit)")
    return int(text)


def _check_secret(secret: str) -> None:
    try:
        SigningKey(secret)
    except WeakSecret:
        raise LaunchError(
            "GRAPHSIDE_JWT_SECRET must have at least 256 bits (32 bytes); `openssl rand -hex 32` prints one"
        ) from None


def _args(environment: Mapping[str, str]) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the settings in the environment, and the names of variables of ours that are no setting."""
    args: dict[str, object] = {}
    unknown = []
    for variable in sorted(name for name in environment if name.startswith(PREFIX)):
        name = variable.removeprefix(PREFIX)
        setting = name.lower()
        if setting in Settings.model_fields and setting not in _MANAGED:
            args[setting] = _value(setting, environment[variable])
        elif name not in _OWN + _OF_THE_CLIENT + _OF_THE_FLAGS:
            unknown.append(variable)
    if switch := environment.get("ENABLE_PYTHON_ENDPOINT"):
        args["python_endpoint"] = switch.strip().lower()
    return args, tuple(unknown)


def _value(setting: str, text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict | list):
        return value
    if get_origin(Settings.model_fields[setting].annotation) is tuple:
        return [word.strip() for word in text.split(",") if word.strip()]
    return text


def _check_args(args: dict[str, object]) -> None:
    try:
        Settings.model_validate(args)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if not where:  # two settings that do not go together, which the text names
            raise LaunchError(first["msg"].removeprefix("Value error, ")) from None
        variable = "ENABLE_PYTHON_ENDPOINT" if where == "python_endpoint" else f"{PREFIX}{where.upper()}"
        raise LaunchError(f"{variable}: {first['msg']}") from None
