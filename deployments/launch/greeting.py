"""What a start tells the operator and nobody else: the first password, and a command to see the server work.

Credentials are shown on a terminal only. An output that is a file or a pipe is often kept, and others may read it: then
the credentials are in files of mode 0600 in the data directory, and the output names these files.
"""

import json
import shlex
from pathlib import Path

from auth.errors import AuthError
from auth.principal import Principal
from auth.tokens import ISSUER, Tokens, load_or_make_key
from auth.users import Users
from catalog.engine import open_catalog
from catalog.errors import CatalogError
from deployments.launch import demo
from deployments.launch.datadir import FirstAdmin
from deployments.launch.errors import LaunchError
from deployments.launch.options import Options
from deployments.launch.secret_files import write_secret


def password_lines(data_dir: Path, admin: FirstAdmin, *, is_terminal: bool) -> list[str]:
    """Return lines with the first administrator's generated password, or with the file that has it now."""
    if admin.password is None:
        return []
    password = admin.password.get_secret_value()
    if is_terminal:
        return [f"    password of {admin.username}: {password}", "    (shown only now and stored nowhere)"]
    path = data_dir / "first_password"
    write_secret(path, password, replace=True)
    return [
        f"    password of {admin.username}: in {path}",
        "    (only you can read this file; delete it once you have it)",
    ]


def curl_line(options: Options, task: str, *, is_terminal: bool) -> str:
    """Return a command with a new token that runs ``task`` on the demo graph. Upload the graph if it is not there.

    Without a terminal the token is in a file, which curl reads (7.55 and later). Raises ``LaunchError`` or
    ``DemoFailed`` with the reason if there can be no command.
    """
    settings = options.settings
    try:
        principal = _owner(options)
        key = load_or_make_key(settings.signing_key_file)
        token = Tokens(key, ISSUER, settings.token_lifetime_s).issue(principal)
    except (AuthError, CatalogError) as error:
        raise LaunchError(str(error)) from error
    graph = demo.ensure(options.data_dir, options.url, principal.username, token)
    authorization = f"Authorization: Bearer {token}"
    if not is_terminal:
        write_secret(token_file(options.data_dir), authorization, replace=True)
    body = json.dumps({"execute": task})
    command = [
        "curl",
        "-sS",
        f"{options.url}/api/v2/datasets/{graph.dataset_id}/python",
        "-H",
        authorization if is_terminal else f"@{token_file(options.data_dir)}",
        "-H",
        "Content-Type: application/json",
        "-d",
        body,
    ]
    return shlex.join(command)


def token_file(data_dir: Path) -> Path:
    """Return the file with the header that the printed command sends. It is there while its server runs."""
    return data_dir / "demo_token"


def _owner(options: Options) -> Principal:
    """Return the demo's owner if they are active, else an active admin, preferably the one of the first start."""
    catalog = open_catalog(options.settings.catalog_url)
    try:
        active = [account.principal for account in Users(catalog).list() if account.is_active]
    finally:
        catalog.close()
    known = demo.recall(options.data_dir)
    wanted = {known.username if known else "": 0, options.admin_username: 1}
    candidates = [who for who in active if who.is_admin or who.username in wanted]
    if not candidates:
        raise LaunchError("no admin is active")
    return min(candidates, key=lambda who: wanted.get(who.username, 2))
