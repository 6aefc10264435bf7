"""The data directory, made ready: folders, catalog, signing key, the first admin."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

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
    """Made just now. ``password`` is the one that was made up here, None where the operator chose it."""

    username: str
    password: SecretStr | None


def make_private(data_dir: Path) -> None:
    """The directory and its ``logs``, mode 0700. Raises ``LaunchError`` where that cannot be."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if data_dir.stat().st_uid != os.geteuid():
            raise LaunchError(f"{data_dir} belongs to another user. Set GRAPHSIDE_DATA to a directory of yours.")
        data_dir.chmod(0o700)
        for name in ("logs", "keys"):
            (data_dir / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise LaunchError(f"GRAPHSIDE_DATA={data_dir}: {error.strerror or error}.") from None


def turn_logs(data_dir: Path) -> None:
    """Starts new logs and keeps those of the last start, with ``.1`` at their end. The server must not be running."""
    for name in ("serve", "server.log"):
        log = data_dir / "logs" / name
        earlier = log.with_name(f"{name}.1")
        if earlier.is_dir():
            shutil.rmtree(earlier)
        if log.exists():
            log.replace(earlier)


def prepare(options: Options) -> FirstAdmin | None:
    """Makes everything ready, the first admin too. The server must not be running. Raises ``LaunchError``."""
    with explained(options), prepared(options) as (catalog, _):
        return _first_admin(catalog, options.admin_username, options.admin_password)


@contextmanager
def prepared(options: Options) -> Iterator[tuple[Catalog, Store]]:
    """The catalog, migrated, and the store, claimed for it, without what a crash left half-done; keys are there."""
    settings = options.settings
    load_or_make_token(ray_token_file(options.data_dir))
    _place_given_key(options)
    load_or_make_key(settings.signing_key_file)
    store = opened_store(options)
    store.prepare()
    migrate(settings.catalog_url)
    with closing(open_catalog(settings.catalog_url)) as catalog:
        claim(store, Datasets(catalog), catalog.identity())
        if isinstance(store, LocalStore):  # to look through a remote one takes long; the janitor does
            sweep(store, Datasets(catalog), catalog.identity(), datetime.now(UTC))
        Receipts(catalog).interrupt(before=datetime.now(UTC))
        yield catalog, store


def opened_store(options: Options) -> Store:
    """The store that the settings name. Raises ``LaunchError`` where they are no good."""
    try:
        return open_store(options.data_dir, options.settings.store_options)
    except ValueError as error:
        raise LaunchError(f"store_url, store_credentials_file: {error}.") from None


def require_unused(data_dir: Path) -> None:
    """Raises ``LaunchError`` where a server works in the directory: preparing would empty its incoming uploads.

    `graphside serve` holds a lock there; a server that `serve run` started shows by its open files.
    """
    for pid in (name for name in os.listdir("/proc") if name.isdecimal() and int(name) != os.getpid()):
        if any(path.startswith((f"{data_dir}/catalog.sqlite", f"{data_dir}/incoming/")) for path in _opened_by(pid)):
            raise LaunchError(f"process {pid} works in {data_dir}; stop that server first")


def _opened_by(pid: str) -> list[str]:
    """Nothing for a process that ends meanwhile, or of another user, who has no business in a directory of ours."""
    try:
        return [os.readlink(f"/proc/{pid}/fd/{descriptor}") for descriptor in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []


@contextmanager
def explained(options: Options) -> Iterator[None]:
    """Turns what can go wrong with catalog, store, keys and folders into ``LaunchError``."""
    try:
        yield
    except StoreTaken:
        where = options.settings.store_url or options.data_dir
        raise LaunchError(
            f"The tables in {where} belong to another catalog. Name the database that they were stored with "
            "(database_url_file), or another place for this one's tables (store_url, GRAPHSIDE_DATA)."
        ) from None
    except (AuthError, CatalogError, RuntimeFailure) as error:
        raise LaunchError(str(error)) from error
    except OSError as error:
        raise LaunchError(f"{error.filename or options.data_dir}: {error.strerror or error}.") from error


def ray_token_file(data_dir: Path) -> Path:
    """What Ray's ports ask for, and the dashboard's log-in."""
    return data_dir / "ray_token"


def remove_given_key(data_dir: Path) -> None:
    """``GRAPHSIDE_JWT_SECRET`` lies on disk only while its server runs."""
    given_key_file(data_dir).unlink(missing_ok=True)


def _place_given_key(options: Options) -> None:
    remove_given_key(options.data_dir)
    if options.jwt_secret is not None:
        write_secret(given_key_file(options.data_dir), options.jwt_secret.get_secret_value())


def _first_admin(catalog: Catalog, username: str, chosen: SecretStr | None) -> FirstAdmin | None:
    """Adds one where there is no user at all, with the Python endpoint enabled (protocol 4.8)."""
    users = Users(catalog)
    if users.count() > 0:
        return None
    password = chosen or SecretStr(make_password())
    principal = users.add(username, password.get_secret_value(), is_admin=True)
    Flags(catalog).set_for_user(ENABLED_USERS, principal.username, True)
    return FirstAdmin(principal.username, None if chosen else password)
