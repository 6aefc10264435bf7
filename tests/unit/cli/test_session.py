"""The saved session."""

import stat
from pathlib import Path

import pytest

from deployments.cli.errors import WrongInput
from deployments.cli.session import Session, load_session, save_session, session_file


def test_a_session_comes_back_as_it_was_saved() -> None:
    session = Session("http://127.0.0.1:8000", "a.b.c")
    save_session(session)
    assert load_session() == session


def test_nothing_is_remembered_at_first() -> None:
    assert load_session() is None


def test_the_file_is_closed_to_others_whatever_was_there_before() -> None:
    path = session_file()
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    path.chmod(0o644)
    save_session(Session("http://a", "t"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["session.json"]


def test_the_folder_is_made_closed_to_others() -> None:
    save_session(Session("http://a", "t"))
    assert stat.S_IMODE(session_file().parent.stat().st_mode) == 0o700


def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    session_file().parent.mkdir(parents=True)
    session_file().symlink_to(target)
    save_session(Session("http://a", "t"))
    assert target.read_text() == "untouched"
    assert load_session() == Session("http://a", "t")


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("{", 0o600, "damaged"),
        ("[]", 0o600, "damaged"),
        ('{"url": "http://a"}', 0o600, "damaged"),
        ('{"url": "http://a", "token": "t"}', 0o640, "chmod 600"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused(text: str, mode: int, says: str) -> None:
    session_file().parent.mkdir(parents=True)
    session_file().write_text(text)
    session_file().chmod(mode)
    with pytest.raises(WrongInput, match=says):
        load_session()


def test_a_relative_config_home_counts_for_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert session_file() == tmp_path / ".config" / "graphside" / "session.json"


def test_a_token_does_not_show_in_the_repr() -> None:
    assert "secret" not in repr(Session("http://a", "secret"))
