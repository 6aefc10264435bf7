import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.launch import flags
from deployments.replica.flags import ONE_MACHINE, fixed_flags, missing_flags
from deployments.replica.front_headers import front_secret
from tests.waiting import WITHIN_S


def test_a_server_of_make_serve_misses_nothing(tmp_path: Path) -> None:
    environment = {**fixed_flags(), **flags.front_flags(tmp_path, tmp_path / "haproxy", tmp_path / "secret")}
    assert missing_flags(environment) == []


def test_exports_can_be_sourced_and_name_things_that_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, token = tmp_path / "front", tmp_path / "token"
    assert flags.main(["--folder", str(folder), "--token-file", str(token)]) == 0
    printed = capsys.readouterr().out
    lines = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines() if line[0] != "#")
    assert missing_flags(lines) == []
    assert os.access(lines["RAY_SERVE_HAPROXY_BINARY_PATH"], os.X_OK)
    assert token.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_nodes_with_the_same_token_have_the_same_front_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So a second node needs no further file: ``--folder`` is its own, the token is the first node's."""
    secrets = set()
    for node in ("one", "two"):
        flags.main(["--cluster", "--folder", str(tmp_path / node), "--token-file", str(tmp_path / "token")])
        lines = [line.removeprefix("export ") for line in capsys.readouterr().out.splitlines() if line[0] != "#"]
        secrets.add(front_secret(dict(line.split("=", 1) for line in lines)))
    (secret,) = secrets
    assert secret is not None
    assert (tmp_path / "token").read_text().strip() not in secret


def test_exports_for_a_cluster_leave_out_what_would_cut_it_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags.main(["--cluster", "--folder", str(tmp_path / "front"), "--token-file", str(tmp_path / "token")])
    printed = capsys.readouterr().out
    assert "RAY_SERVE_ENABLE_HA_PROXY" in printed
    assert all(flag.name not in printed for flag in ONE_MACHINE)


def test_a_reader_that_leaves_early_sees_no_error(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "deployments.launch.flags",
        "--folder",
        f"{tmp_path}/front",
        "--token-file",
        f"{tmp_path}/token",
    ]
    printing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert printing.stdout is not None
    printing.stdout.close()
    assert printing.communicate(timeout=WITHIN_S)[1] == ""


def test_a_folder_that_runs_no_programs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flags, "runs_programs", lambda folder: False)
    assert flags.main(["--folder", str(tmp_path / "front"), "--token-file", str(tmp_path / "token")]) == 1
    assert "noexec" in capsys.readouterr().err


def test_a_folder_open_to_others_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "front"
    folder.mkdir()
    folder.chmod(0o755)
    assert flags.main(["--folder", str(folder), "--token-file", str(tmp_path / "token")]) == 1
    assert "chmod 700" in capsys.readouterr().err
