"""Where the private folder of a server lies."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.launch.errors import LaunchError
from deployments.launch.machine import folders


@pytest.fixture
def noexec(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Directories that are as if mounted with noexec; the temporary directory is /tmp."""
    mounted: set[str] = set()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC if str(path) in mounted else 0))
    return mounted


def test_the_folder_lies_in_the_temporary_directory(noexec: set[str]) -> None:
    assert folders.folder_parent() == Path("/tmp")


def test_a_file_system_that_runs_no_programs_is_passed_over(noexec: set[str]) -> None:
    noexec.add("/tmp")
    assert folders.folder_parent() == Path("/var/tmp")


def test_a_long_path_is_passed_over(noexec: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "a-folder-of-a-long-name"))
    assert folders.folder_parent() == Path("/tmp")


def test_where_none_suits_the_operator_is_told_what_to_set(noexec: set[str]) -> None:
    noexec |= {"/tmp", "/var/tmp", "/dev/shm"}
    with pytest.raises(LaunchError, match=r"/tmp, /var/tmp, /dev/shm.*noexec.*set TMPDIR"):
        folders.folder_parent()


def test_the_real_temporary_directory_suits_or_is_said_not_to() -> None:
    made = folders.make_folder()
    program = made / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    assert os.spawnv(os.P_WAIT, program, [str(program)]) == 0
    program.unlink()
    made.rmdir()
