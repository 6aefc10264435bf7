"""``user add``, ``user passwd``, ``user list``, ``user disable``, ``user enable``."""

from typing import Annotated

import typer

from deployments.cli.answers import expect, objects
from deployments.cli.asking import read_password
from deployments.cli.connection import Server, connect, segment
from deployments.cli.errors import CliError, WrongInput
from deployments.cli.options import AsJson, PasswordStdin, Url
from deployments.cli.terminal import printable, show_json, show_rows

PYTHON_FLAG = "flag_python_endpoint_enabled_users"

app = typer.Typer(help="Add, list, disable and enable users, and set their passwords.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The username.")]
Generate = Annotated[
    bool, typer.Option("--generate-password", help="Generate a password and print it; it is shown only once.")
]


@app.command()
def add(
    name: Name,
    admin: Annotated[
        bool, typer.Option("--admin", help="Make the user an administrator, who may manage users and flags.")
    ] = False,
    email: Annotated[str, typer.Option(help="The user's email address.")] = "",
    python: Annotated[
        bool | None,
        typer.Option("--python/--no-python", help=f"Set {PYTHON_FLAG} on or off for the user."),
    ] = None,
    password_stdin: PasswordStdin = False,
    generate: Generate = False,
    url: Url = None,
) -> None:
    """Add a user. Without --python or --no-python, the settings for everyone decide if they may run Python."""
    server = connect(url)
    password = _new_password(name, password_stdin, generate)
    body = {"username": name, "password": password, "email": email, "admin": admin}
    user = expect(server.send("POST", "/api/v2/admin/users/", body), "user", dict)
    known_as = str(user.get("username", name))
    print(f"added {printable(known_as)}")
    if generate:
        _show(password)
    if python is not None:
        _set_python(server, known_as, python)


@app.command()
def passwd(name: Name, password_stdin: PasswordStdin = False, generate: Generate = False, url: Url = None) -> None:
    """Set your password, or as an administrator another user's. All sessions of that user end."""
    server = connect(url)
    path = f"/api/v2/admin/users/{segment(name)}/password/"
    password = _new_password(name, password_stdin, generate)
    server.send("POST", path, {"password": password})
    print(f"the password of {printable(name)} is set; their earlier tokens have ended")
    if generate:
        _show(password)


@app.command("list")
def list_users(as_json: AsJson = False, url: Url = None) -> None:
    """List all users: name, role, state, email."""
    users = objects(connect(url).send("GET", "/api/v2/admin/users/"), "users")
    if as_json:
        return show_json(users)
    rows = [
        (
            user.get("username"),
            "admin" if user.get("is_admin") else "user",
            "active" if user.get("is_active") else "disabled",
            user.get("email", ""),
        )
        for user in users
    ]
    show_rows(("name", "role", "state", "email"), rows)


@app.command()
def disable(name: Name, url: Url = None) -> None:
    """Disable a user. All their tokens end; their datasets stay."""
    connect(url).send("POST", f"/api/v2/admin/users/{segment(name)}/disable/")
    print(f"{printable(name)} is disabled; their tokens have ended")


@app.command()
def enable(name: Name, url: Url = None) -> None:
    """Enable a disabled user, who can then sign in again."""
    connect(url).send("POST", f"/api/v2/admin/users/{segment(name)}/enable/")
    print(f"{printable(name)} is enabled")


def _new_password(name: str, from_stdin: bool, generate: bool) -> str:
    if from_stdin and generate:
        raise WrongInput("--password-stdin and --generate-password cannot be combined")
    if not generate:
        either = "--password-stdin or --generate-password"
        return read_password(name, from_stdin=from_stdin, twice=True, instead=either)
    from auth.passwords import make_password

    return make_password()


def _show(password: str) -> None:
    print(f"password: {password}\n(shown this once)", flush=True)


def _set_python(server: Server, name: str, allowed: bool) -> None:
    try:
        server.send("PUT", f"/api/v2/admin/flags/{PYTHON_FLAG}/", {"value": allowed, "user": name})
    except CliError as error:
        raise CliError(f"{name} was added, but {PYTHON_FLAG} was not set: {error.message}") from None
    print(f"{PYTHON_FLAG} is {'on' if allowed else 'off'} for {printable(name)}")
