"""What holds for the command line as a whole."""

import subprocess
import sys

import pytest

from deployments.cli import signing_in
from tests.unit.cli.conftest import Cli, complaint

HEAVY = ("ray", "pandas", "numpy", "pyarrow", "fastapi", "starlette", "pydantic", "sqlalchemy", "httpx", "graphistry")


@pytest.mark.parametrize("module", ["deployments.cli", "deployments.cli.app"])
def test_starting_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_without_a_command_there_is_help(cli: Cli) -> None:
    result = cli()
    assert result.exit_code == 0
    for command in ("serve", "init", "doctor", "login", "token", "user", "flag"):
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
    for command in (("login",), ("user", "add"), ("user", "passwd"), ("token",), ("serve",), ("init",)):
        for line in cli(*command, "--help").stdout.splitlines():
            assert not ("--password" in line and "<str>" in line), line
            assert "--token" not in line
