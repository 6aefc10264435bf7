"""Rules that hold for every command."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_group

from deployments.cli import signing_in
from deployments.cli.app import app
from tests.unit.cli.conftest import Cli, complaint
from tests.waiting import WITHIN_S

HEAVY = ("ray", "pandas", "numpy", "pyarrow", "fastapi", "starlette", "pydantic", "sqlalchemy", "httpx", "graphistry")


@pytest.mark.parametrize("module", ["deployments.cli", "deployments.cli.app"])
def test_starting_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WITHIN_S, check=True)
    assert done.stdout == "[]\n"


def test_without_a_command_there_is_help(cli: Cli) -> None:
    result = cli()
    assert result.exit_code == 0
    for command in get_group(app).commands:
        assert command in result.stdout


def test_the_version_is_told(cli: Cli) -> None:
    assert cli("--version").stdout.strip()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing",), "No such command 'nothing'"),
        (("login",), "Missing argument"),
        (("user",), "Missing command. See graphside user --help"),
        (("user", "add"), "Missing argument"),
        (("serve", "--port", "many"), "--port"),
        (("token", "--nothing"), "No such option"),
    ],
)
def test_a_mistyped_command_is_one_line_and_status_2(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    result = cli(*arguments)
    assert says in complaint(result)
    assert result.exit_code == 2


def test_a_fault_of_ours_is_one_line_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str | None) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(signing_in, "connect", fail)
    assert complaint(cli("token")).startswith("unexpected RuntimeError: two lines")


def test_ctrl_c_is_no_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(url: str | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(signing_in, "connect", interrupt)
    result = cli("token")
    assert (result.exit_code, result.output) == (130, "")


def test_no_option_takes_a_secret(cli: Cli) -> None:
    for command in _commands(get_group(app)):
        for line in cli(*command, "--help").stdout.splitlines():
            assert not (re.search("--(password|key|secret)", line) and "<str>" in line), line
            assert "--token" not in line


def test_every_command_says_what_it_does() -> None:
    for command in _commands(get_group(app)):
        found: Any = get_group(app)
        for word in command:
            found = found.commands[word]
        assert (found.help or "").strip().endswith("."), command


def _commands(group: TyperGroup, *above: str) -> Iterator[tuple[str, ...]]:
    """Every command that does something, by the words that one types."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, *above, name)
        else:
            yield (*above, name)
