import json
from pathlib import Path

import psutil
import pytest

from deployments.launch.errors import LaunchError
from deployments.launch.machine.instance import Instance
from deployments.launch.machine.processes import alive, boot_id, started
from tests.unit.launch.conftest import SLEEP, Start


def leave_record(data_dir: Path, folder: Path, processes: list[list[int]], boot: str | None = None) -> None:
    """As a server that was killed leaves it."""
    record = {"boot_id": boot or boot_id(), "pid": 1, "folder": str(folder), "processes": processes}
    (data_dir / "server.json").write_text(json.dumps(record))


def test_the_folder_is_private_short_and_gone_afterwards(tmp_path: Path) -> None:
    with Instance(tmp_path) as instance:
        folder = instance.folder
        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(str(folder)) <= 107 - 76
        (folder / "socket").touch()
    assert not folder.exists()
    assert not (tmp_path / "server.json").exists()


def test_what_an_earlier_try_left_in_the_folder_is_removed(tmp_path: Path) -> None:
    with Instance(tmp_path) as instance:
        (instance.folder / "r" / "session").mkdir(parents=True)
        (instance.folder / "haproxy.cfg").touch()
        (instance.folder / "link").symlink_to(tmp_path)
        instance.empty_folder()
        assert list(instance.folder.iterdir()) == []
    assert tmp_path.exists()


def test_a_second_server_on_the_same_data_is_refused_and_told_which(tmp_path: Path) -> None:
    with Instance(tmp_path) as first:
        with pytest.raises(LaunchError, match=r"another server runs on .* \(pid \d+\)") as caught:
            Instance(tmp_path).__enter__()
        assert "GRAPHSIDE_DATA" in str(caught.value)
        assert first.folder.exists()
    with Instance(tmp_path):
        pass


def test_what_a_killed_predecessor_left_is_ended_and_removed(tmp_path: Path, start: Start) -> None:
    folder = tmp_path / "graphside-left"
    folder.mkdir()
    left = start(SLEEP)
    leave_record(tmp_path, folder, [entry(left)])
    with Instance(tmp_path):
        assert not alive(left)
        assert not folder.exists()


def test_processes_of_others_that_have_the_numbers_now_are_left_alone(tmp_path: Path, start: Start) -> None:
    bystander = start(SLEEP)
    leave_record(tmp_path, tmp_path / "graphside-left", [[bystander.pid, started(bystander) - 1]])
    with Instance(tmp_path):
        assert alive(bystander)


def test_a_record_from_before_a_reboot_kills_nobody(tmp_path: Path, start: Start) -> None:
    bystander = start(SLEEP)
    leave_record(tmp_path, tmp_path / "graphside-left", [entry(bystander)], boot="another boot")
    with Instance(tmp_path):
        assert alive(bystander)


def test_a_record_never_removes_a_folder_that_is_not_a_servers(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    leave_record(tmp_path, precious, [])
    with Instance(tmp_path):
        assert precious.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"processes": 1}', '{"processes": [["a", "b"]], "folder": "x"}'])
def test_a_record_cut_short_is_no_obstacle(text: str, tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(text)
    with Instance(tmp_path):
        pass


def test_processes_below_are_recorded_once_they_have_settled(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start(SLEEP)
    with Instance(tmp_path) as instance:
        instance.note_processes()
        assert entry(child) not in recorded(tmp_path)
        monkeypatch.setattr("deployments.launch.machine.instance._SETTLED_S", -10.0)
        instance.note_processes()
        assert entry(child) in recorded(tmp_path)


def entry(process: psutil.Process) -> list[int]:
    return [process.pid, started(process)]


def recorded(data_dir: Path) -> list[list[int]]:
    processes: list[list[int]] = json.loads((data_dir / "server.json").read_text())["processes"]
    return processes
