"""``serve`` and ``init``."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

import deployments.launch
from auth.flags import ENABLED_USERS, Flags
from auth.users import Users
from catalog.engine import open_catalog
from tests.unit.cli.conftest import Cli, complaint


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The environments with which a server was started: none really is."""
    seen: list[dict[str, str]] = []

    def serve(environment: Mapping[str, str]) -> int:
        seen.append(dict(environment))
        return 7

    monkeypatch.setattr(deployments.launch, "serve", serve)
    return seen


def test_serve_ends_with_the_launchers_status(cli: Cli, launched: list[dict[str, str]]) -> None:
    assert cli("serve").exit_code == 7


def test_options_of_serve_go_before_the_environment(
    cli: Cli, launched: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSIDE_PORT", "1")
    monkeypatch.setenv("GRAPHSIDE_QUEUE", "9")
    cli("serve", "--port", "8123", "--host", "::1", "--data", "there")
    (environment,) = launched
    assert [environment[f"GRAPHSIDE_{name}"] for name in ("PORT", "HOST", "DATA", "QUEUE")] == [
        "8123",
        "::1",
        "there",
        "9",
    ]
    assert os.environ["GRAPHSIDE_PORT"] == "1"


def test_without_options_serve_leaves_the_environment_as_it_is(
    cli: Cli, launched: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSIDE_PORT", "8124")
    cli("serve")
    assert launched[0]["GRAPHSIDE_PORT"] == "8124"
    assert "GRAPHSIDE_HOST" not in launched[0]


def test_a_clients_token_does_not_reach_the_server(
    cli: Cli, launched: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSIDE_TOKEN", "secret")
    cli("serve")
    assert "secret" not in launched[0].values()


class TestInit:
    def test_it_makes_everything_that_a_server_needs(self, cli: Cli, tmp_path: Path) -> None:
        data = tmp_path / "data"
        result = cli("init", "--data", str(data), "--admin", "ann")
        assert result.exit_code == 0, result.output
        assert "ann is the first admin" in result.stdout
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE((data / "keys" / "jwt.key").stat().st_mode) == 0o600
        password = data / "first_password"  # the output is no terminal
        assert f"password of ann: in {password}" in result.stdout
        assert stat.S_IMODE(password.stat().st_mode) == 0o600
        catalog = open_catalog(f"sqlite:///{data}/catalog.sqlite")
        try:
            principal = Users(catalog).authenticate("ann", password.read_text().strip())
            assert principal.is_admin
            assert Flags(catalog).value(ENABLED_USERS, principal.user_id)
        finally:
            catalog.close()

    def test_a_second_time_keeps_users_and_key(self, cli: Cli, tmp_path: Path) -> None:
        data = tmp_path / "data"
        cli("init", "--data", str(data))
        key = (data / "keys" / "jwt.key").read_bytes()
        result = cli("init", "--data", str(data), "--admin", "other")
        assert result.exit_code == 0, result.output
        assert "none was added" in result.stdout
        assert "password" not in result.stdout
        assert (data / "keys" / "jwt.key").read_bytes() == key

    def test_a_chosen_password_is_not_printed(self, cli: Cli, tmp_path: Path) -> None:
        result = cli("init", "--data", str(tmp_path / "data"), "--password-stdin", typed="correct horse\n")
        assert result.exit_code == 0, result.output
        assert "correct horse" not in result.output

    @pytest.mark.parametrize(("typed", "says"), [("short\n", "at least 8 characters"), ("\n", "the password is empty")])
    def test_a_weak_password_is_one_line(self, cli: Cli, tmp_path: Path, typed: str, says: str) -> None:
        assert says in complaint(cli("init", "--data", str(tmp_path / "data"), "--password-stdin", typed=typed))

    def test_a_directory_in_use_is_left_alone(self, cli: Cli, tmp_path: Path) -> None:
        data = tmp_path / "data"
        cli("init", "--data", str(data))
        upload = data / "incoming" / "half"
        upload.write_text("being uploaded")
        reading, writing = os.pipe()
        with open(data / "catalog.sqlite", "rb") as held:
            child = os.posix_spawn(
                "/bin/cat", ["cat"], {},
                file_actions=[(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_DUP2, held.fileno(), 9)],
            )  # fmt: skip
        os.close(reading)
        try:
            assert f"process {child} uses {data}" in complaint(cli("init", "--data", str(data)))
            assert upload.exists()
        finally:
            os.close(writing)
            os.waitpid(child, 0)

    def test_a_directory_that_cannot_be_is_one_line(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert "Not a directory" in complaint(cli("init", "--data", str(tmp_path / "file" / "data")))
