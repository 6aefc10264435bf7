import os
from pathlib import Path

import pytest

from deployments.launch import flags


def test_a_server_of_make_serve_misses_nothing(tmp_path: Path) -> None:
    environment = {**flags.fixed_flags(), **flags.front_flags(tmp_path, tmp_path / "haproxy")}
    assert flags.missing_flags(environment) == []


@pytest.mark.parametrize("flag", [flag for flag in flags.EVERYWHERE if flag.needed], ids=lambda flag: flag.name)
def test_a_needed_flag_that_is_absent_or_different_is_named_with_its_reason(flag: flags.Flag) -> None:
    environment = {**flags.fixed_flags(), "RAY_SERVE_HAPROXY_BINARY_PATH": "/somewhere"}
    for changed in ({**environment, flag.name: "other"}, {k: v for k, v in environment.items() if k != flag.name}):
        assert flags.missing_flags(changed) == [f"{flag.name}={flag.value} ({flag.why})"]


def test_without_the_wrapper_open_side_ports_are_named() -> None:
    assert "side ports" in flags.missing_flags(flags.fixed_flags())[0]


def test_every_flag_says_why() -> None:
    assert all(flag.why for flag in (*flags.EVERYWHERE, *flags.ONE_MACHINE))


def test_exports_can_be_sourced_and_name_things_that_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, token = tmp_path / "front", tmp_path / "token"
    assert flags.main(["--folder", str(folder), "--token-file", str(token)]) == 0
    printed = capsys.readouterr().out
    lines = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines() if line[0] != "#")
    assert flags.missing_flags(lines) == []
    assert os.access(lines["RAY_SERVE_HAPROXY_BINARY_PATH"], os.X_OK)
    assert token.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_exports_for_a_cluster_leave_out_what_would_cut_it_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags.main(["--cluster", "--folder", str(tmp_path / "front"), "--token-file", str(tmp_path / "token")])
    printed = capsys.readouterr().out
    assert "RAY_SERVE_ENABLE_HA_PROXY" in printed
    assert all(flag.name not in printed for flag in flags.ONE_MACHINE)


def test_a_folder_open_to_others_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "front"
    folder.mkdir()
    folder.chmod(0o755)
    assert flags.main(["--folder", str(folder), "--token-file", str(tmp_path / "token")]) == 1
    assert "chmod 700" in capsys.readouterr().err
