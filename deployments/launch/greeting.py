"""The command that an operator pastes to see the server work."""

import json
import shlex

from auth.errors import AuthError
from auth.principal import Principal
from auth.tokens import ISSUER, Tokens, load_or_make_key
from auth.users import Users
from catalog.engine import open_catalog
from catalog.errors import CatalogError
from deployments.launch import demo
from deployments.launch.errors import LaunchError
from deployments.launch.options import Options


def curl_line(options: Options, task: str) -> str:
    """Return a command with a new token that runs ``task`` on the demo graph. Upload the graph if it is not there.

    Raises ``LaunchError`` or ``DemoFailed`` with the reason if there can be none.
    """
    settings = options.settings
    try:
        principal = _owner(options)
        key = load_or_make_key(settings.signing_key_file)
        token = Tokens(key, ISSUER, settings.token_lifetime_s).issue(principal)
    except (AuthError, CatalogError) as error:
        raise LaunchError(str(error)) from error
    graph = demo.ensure(options.data_dir, options.url, principal.username, token)
    body = json.dumps({"execute": task})
    command = [
        "curl",
        "-sS",
        f"{options.url}/api/v2/datasets/{graph.dataset_id}/python",
        "-H",
        f"Authorization: Bearer {token}",
        "-H",
        "Content-Type: application/json",
        "-d",
        body,
    ]
    return shlex.join(command)


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
