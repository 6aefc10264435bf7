from pathlib import Path

import pytest

from auth.users import Users
from catalog.engine import open_catalog
from deployments.launch import datadir
from deployments.launch.errors import LaunchError
from deployments.launch.options import Options, read_options
from deployments.launch.secret_files import load_or_make_token, write_secret

SECRET = "0123456789abcdef0123456789abcdef"


def options(data_dir: Path, **environment: str) -> Options:
    return read_options({"GRAPHSIDE_DATA": str(data_dir), **environment})


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    datadir.make_private(tmp_path / "data")
    return tmp_path / "data"


def test_the_first_start_makes_an_admin_with_a_password_that_works(data_dir: Path) -> None:
    made = datadir.prepare(options(data_dir))
    assert made is not None and made.password is not None
    catalog = open_catalog(options(data_dir).settings.catalog_url)
    assert Users(catalog).authenticate("admin", made.password.get_secret_value()).is_admin
    catalog.close()
    stored = b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())
    assert made.password.get_secret_value().encode() not in stored
    assert datadir.prepare(options(data_dir)) is None


def test_a_chosen_password_is_not_handed_back(data_dir: Path) -> None:
    chosen = {"GRAPHSIDE_ADMIN_USERNAME": "ada", "GRAPHSIDE_ADMIN_PASSWORD": "a long pass phrase"}
    made = datadir.prepare(options(data_dir, **chosen))
    assert made == datadir.FirstAdmin("ada", None)


def test_a_weak_password_is_refused_in_one_line(data_dir: Path) -> None:
    with pytest.raises(LaunchError) as caught:
        datadir.prepare(options(data_dir, GRAPHSIDE_ADMIN_PASSWORD="x"))
    assert "\n" not in str(caught.value)


def test_everything_is_closed_to_others(data_dir: Path) -> None:
    datadir.prepare(options(data_dir))
    for path in (data_dir, *data_dir.rglob("*")):
        if path.parent == data_dir or path == data_dir or path.parent.name == "keys":
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_given_key_is_on_disk_while_the_server_runs_and_not_after(data_dir: Path) -> None:
    given = options(data_dir, GRAPHSIDE_JWT_SECRET=SECRET)
    datadir.prepare(given)
    key = given.settings.signing_key_file
    assert key.read_text().strip() == SECRET
    assert key.stat().st_mode & 0o777 == 0o600
    datadir.remove_given_key(data_dir)
    assert not key.exists()
    datadir.remove_given_key(data_dir)


def test_a_data_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LaunchError, match="GRAPHSIDE_DATA="):
        datadir.make_private(tmp_path / "file" / "data")


def test_logs_of_the_last_start_are_kept_and_of_the_one_before_are_not(data_dir: Path) -> None:
    logs = data_dir / "logs"
    for start in (1, 2, 3):
        datadir.turn_logs(data_dir)
        (logs / "serve").mkdir()
        (logs / "serve" / f"{start}.log").touch()
        (logs / "server.log").write_text(str(start))
    assert [path.name for path in (logs / "serve.1").iterdir()] == ["2.log"]
    assert (logs / "server.log.1").read_text() == "2"


def test_rays_token_is_made_once_and_refused_when_others_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = load_or_make_token(path)
    assert len(token) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_make_token(path) == token
    path.chmod(0o644)
    with pytest.raises(LaunchError, match="chmod 600"):
        load_or_make_token(path)


def test_a_secret_replaces_nothing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "link", "secret")
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
