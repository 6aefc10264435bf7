"""``backup`` and ``restore``. tests/unit/launch tests the work behind them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from deployments.launch.errors import LaunchError
from tests.unit.cli.conftest import Cli, complaint


@dataclass
class Summary:
    """As the real one."""

    users: int = 1
    datasets: int = 3
    files: int = 4
    tables: int = 5
    byte_count: int = 6 * 1024 * 1024


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, Path]]:
    """What was asked for: nothing is really done."""
    asked: list[tuple[str, Any, Path]] = []

    def noting(name: str) -> Callable[[Any, Path], Summary]:
        def do(options: Any, path: Path) -> Summary:
            if path.name == "bad":
                raise LaunchError("bad is no backup.")
            asked.append((name, options, path))
            return Summary()

        return do

    module = ModuleType("deployments.launch.backup")
    vars(module).update(back_up=noting("back_up"), restore=noting("restore"), Summary=Summary)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


@pytest.mark.parametrize(
    ("command", "function", "says"),
    [
        ("backup", "back_up", "it has 1 user, 3 datasets, 4 files, 5 tables, 6.0 MiB\n"),
        ("restore", "restore", "{data} has 1 user, 3 datasets, 4 files, 5 tables, 6.0 MiB\n"),
    ],
)
def test_it_works_on_the_data_directory_and_sums_up(
    cli: Cli, work: list[tuple[str, Any, Path]], tmp_path: Path, command: str, function: str, says: str
) -> None:
    result = cli(command, "it", "--data", str(tmp_path))
    assert result.stdout == says.format(data=tmp_path)
    ((asked, options, path),) = work
    assert (asked, options.data_dir, path) == (function, tmp_path, Path("it"))


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_the_environment_names_what_an_option_does_not(
    cli: Cli, work: list[tuple[str, Any, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("GRAPHSIDE_DATA", str(tmp_path / "there"))
    monkeypatch.setenv("GRAPHSIDE_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert cli(command, "it").exit_code == 0
    options = work[0][1]
    assert options.data_dir == tmp_path / "there"
    assert options.settings.database_url_file == tmp_path / "url"


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_what_goes_wrong_is_one_line(cli: Cli, work: list[tuple[str, Any, Path]], command: str) -> None:
    assert complaint(cli(command, "bad")) == "bad is no backup."


def test_a_setting_that_is_wrong_is_one_line(
    cli: Cli, work: list[tuple[str, Any, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSIDE_QUEUE", "many")
    assert complaint(cli("backup", "it")).startswith("GRAPHSIDE_QUEUE: ")
    assert work == []
