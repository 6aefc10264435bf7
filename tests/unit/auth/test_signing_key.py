"""The signing key is long, private and never shown."""

import os
import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from auth.errors import WeakSecret
from auth.signing_key import SigningKey, load_or_make_key


def test_a_key_is_made_once_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "jwt.key"
    key = load_or_make_key(path)
    assert load_or_make_key(path).reveal() == key.reveal()
    assert len(key.reveal()) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["jwt.key"]
    assert load_or_make_key(tmp_path / "other.key").reveal() != key.reveal()


def test_a_key_is_private_whatever_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        load_or_make_key(tmp_path / "jwt.key")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "jwt.key").stat().st_mode) == 0o600


def test_many_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: load_or_make_key(tmp_path / "jwt.key").reveal(), range(64)))
    assert len(set(keys)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o660, 0o777])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "jwt.key"
    load_or_make_key(path)
    path.chmod(mode)
    with pytest.raises(WeakSecret, match="chmod 600"):
        load_or_make_key(path)


@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "directory"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "jwt.key"
    if kind == "link":
        load_or_make_key(tmp_path / "target")
        path.symlink_to(tmp_path / "target")
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "fifo":
        os.mkfifo(path, 0o600)
    else:
        path.mkdir(0o700)
    with pytest.raises(WeakSecret):
        load_or_make_key(path)


@pytest.mark.parametrize("secret", ["", "short", "x" * 31, "x" * 31 + "\n", " " * 40, b"x" * 31])
def test_less_than_256_bits_are_refused_wherever_they_come_from(tmp_path: Path, secret: str | bytes) -> None:
    with pytest.raises(WeakSecret, match="256"):
        SigningKey(secret)
    path = tmp_path / "jwt.key"
    path.write_bytes(secret.encode() if isinstance(secret, str) else secret)
    path.chmod(0o600)
    with pytest.raises(WeakSecret, match="256"):
        load_or_make_key(path)


def test_256_bits_are_enough_and_the_newline_of_a_file_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "jwt.key"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    path.chmod(0o600)
    assert load_or_make_key(path).reveal() == SigningKey("0123456789abcdef0123456789abcdef").reveal()


def test_a_key_shows_itself_to_nobody() -> None:
    key = SigningKey("a-secret-of-more-than-thirty-two-bytes")
    for shown in (repr(key), str(key), f"{key!r}"):
        assert "secret-of" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)
