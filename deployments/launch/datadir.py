"""Prepare the data directory: folders, catalog, signing key, the first admin."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from auth.audit import Audit
from auth.errors import AuthError
from auth.flags import ENABLED_USERS, Flags
from auth.passwords import make_password
from auth.tokens import load_or_make_key
from auth.users import Users
from catalog.engine import Catalog, migrate, open_catalog
from catalog.errors import CatalogError
from deployments.launch.errors import LaunchError
from deployments.launch.options import Options, given_key_file
from deployments.launch.secret_files import load_or_make_token, write_secret
from runtime.datasets.records import Datasets
from runtime.datasets.store.base import Store
from runtime.datasets.store.local import LocalStore
from runtime.datasets.store.opening import open_store
from runtime.datasets.store.sweep import StoreTaken, claim, sweep
from runtime.errors import RuntimeFailure
from runtime.receipts import Receipts


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The admin that was just added. ``password``: the generated one, or None if the operator chose it."""

    username: str
    password: SecretStr | None


def make_private(data_dir: Path) -> None:
    """Make the directory, ``logs`` and ``keys``, mode 0700. Raises ``LaunchError``."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if data_dir.stat().st_uid != os.geteuid():
            raise LaunchError(f"{data_dir} belongs to another user; set GRAPHSIDE_DATA to a directory of yours")
        data_dir.chmod(0o700)
        for name in ("logs", "keys"):
            (data_dir / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise LaunchError(f"GRAPHSIDE_DATA={data_dir}: {error.strerror or error}") from None


def turn_logs(data_dir: Path) -> None:
    """Start new logs; keep those of the last start under names that end in ``.1``. The server must not be running."""
    for name in ("serve", "server.log"):
        log = data_dir / "logs" / name
        earlier = log.with_name(f"{name}.1")
        if earlier.is_dir():
            shutil.rmtree(earlier)
        if log.exists():
            log.replace(earlier)


def prepare(options: Options) -> FirstAdmin | None:
    """Prepare everything. Return the first admin if one was added. The server must not be running.

    Raises ``LaunchError``.
    """
    with explained(options), prepared(options) as (catalog, _):
        return _first_admin(catalog, options.admin_username, options.admin_password)


@contextmanager
def prepared(options: Options) -> Iterator[tuple[Catalog, Store]]:
    """Yield the migrated catalog and the store that belongs to it. Make keys; remove what a crash left unfinished."""
    settings = options.settings
    load_or_make_token(ray_token_file(options.data_dir))
    _place_given_key(options)
    load_or_make_key(settings.signing_key_file)
    store = opened_store(options)
    store.prepare()
    migrate(settings.catalog_url)
    with closing(open_catalog(settings.catalog_url)) as catalog:
        claim(store, Datasets(catalog), catalog.identity())
        if isinstance(store, LocalStore):  # a remote store takes long to look through, so the janitor does it
            sweep(store, Datasets(catalog), catalog.identity(), datetime.now(UTC))
        Receipts(catalog).interrupt(before=datetime.now(UTC))
        yield catalog, store


def opened_store(options: Options) -> Store:
    """Open the store that the settings name. Raises ``LaunchError`` if they are wrong."""
    try:
        return open_store(options.data_dir, options.settings.store_options)
    except ValueError as error:
        raise LaunchError(f"store_url, store_credentials_file: {error}") from None


def require_unused(data_dir: Path) -> None:
    """Raise ``LaunchError`` if a server uses the directory, because preparing it would delete unfinished uploads.

    `graphside serve` holds a lock there. A server that `serve run` started holds no lock, but has files open.
    """
    for pid in (name for name in os.listdir("/proc") if name.isdecimal() and int(name) != os.getpid()):
        if any(path.startswith((f"{data_dir}/catalog.sqlite", f"{data_dir}/incoming/")) for path in _opened_by(pid)):
            raise LaunchError(f"process {pid} uses {data_dir}; stop that server first")


def _opened_by(pid: str) -> list[str]:
    """Return the files that a process has open; none if it has ended or belongs to another user."""
    try:
        return [os.readlink(f"/proc/{pid}/fd/{descriptor}") for descriptor in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []


@contextmanager
def explained(options: Options) -> Iterator[None]:
    """Turn the errors of catalog, store, keys and folders into ``LaunchError``."""
    try:
        yield
    except StoreTaken:
        where = options.settings.store_url or options.data_dir
        raise LaunchError(
            f"the tables in {where} belong to another catalog; name the database that they were stored with "
            "(database_url_file), or another place for the tables of this one (store_url, GRAPHSIDE_DATA)"
        ) from None
    except (AuthError, CatalogError, RuntimeFailure) as error:
        raise LaunchError(str(error)) from error
    except OSError as error:
        raise LaunchError(f"{error.filename or options.data_dir}: {error.strerror or error}") from error


def ray_token_file(data_dir: Path) -> Path:
    """Return the file of the token that Ray's ports and its dashboard ask for."""
    return data_dir / "ray_token"


def remove_given_key(data_dir: Path) -> None:
    """Delete the file with ``GRAPHSIDE_JWT_SECRET``, which exists only while its server runs."""
    given_key_file(data_dir).unlink(missing_ok=True)


def _place_given_key(options: Options) -> None:
    remove_given_key(options.data_dir)
    if options.jwt_secret is not None:
        write_secret(given_key_file(options.data_dir), options.jwt_secret.get_secret_value())


def _first_admin(catalog: Catalog, username: str, chosen: SecretStr | None) -> FirstAdmin | None:
    """Add an admin if there is no user, and enable the Python endpoint for them (protocol 4.8)."""
    users = Users(catalog)
    if users.count() > 0:
        return None
    password = chosen or SecretStr(make_password())
    principal = users.add(username, password.get_secret_value(), is_admin=True)
    Flags(catalog).set_for_user(ENABLED_USERS, principal.username, True)
    with closing(Audit(catalog)) as audit:
        audit.append(None, "", "user.add", f"user:{principal.username}", detail={"by": "the first start"})
    return FirstAdmin(principal.username, None if chosen else password)
