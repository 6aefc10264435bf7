import os
from pathlib import Path

import pytest

from catalog.whole_file import whole_file


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_name_appears_when_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole_file(path, 0o640) as file:
        file.write(b"half")
        assert not path.exists()
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert path.stat().st_mode & 0o777 == 0o640 & ~umask()
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("replace", [True, False])
def test_a_block_that_fails_leaves_nothing_and_changes_nothing(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with pytest.raises(KeyError), whole_file(path, 0o600, replace=replace) as file:
        file.write(b"after")
        raise KeyError
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["file"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "file"
    path.symlink_to(target)
    with whole_file(path, 0o600) as file:
        file.write(b"x")
    assert not path.is_symlink()
    assert not target.exists()


@pytest.mark.parametrize("taken_by", ["file", "folder", "broken link"])
def test_without_replace_a_taken_name_is_refused_and_kept(tmp_path: Path, taken_by: str) -> None:
    path = tmp_path / "file"
    if taken_by == "file":
        path.write_bytes(b"before")
    elif taken_by == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    kind = path.lstat().st_mode
    with pytest.raises(FileExistsError), whole_file(path, 0o600, replace=False) as file:
        file.write(b"after")
    assert path.lstat().st_mode == kind
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name, 0o600) as file:
        file.write(b"x")
    assert names(tmp_path) == [name]


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
