"""``graphside doctor``."""

import json
import os
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from auth.passwords import Passwords
from auth.users import Users
from catalog.engine import migrate, open_catalog
from catalog.tables import users as table
from deployments.cli.doctor import limits, machine, names, ports, software, walls
from deployments.cli.doctor.findings import Finding, Report
from deployments.launch.options import read_options
from runtime.engines.device.probe import NO_DRIVER, Device, Devices
from runtime.sandbox.host.environment import template_environment
from runtime.sandbox.walls.basics import BASICS
from runtime.sandbox.walls.isolation import Isolation
from runtime.sandbox.walls.probe import PROBES, WALLS, examine
from runtime.sandbox.walls.rewind import SEALED_VERSION
from runtime.sandbox.walls.trial import Found
from tests.unit.cli.conftest import Cli, SmallServer

CARD = Devices((Device("H100", 80 * 1024**3),), "13.0")


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_says_what_this_machine_has_and_which_layers_are_used(
    cli: Cli, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSIDE_PORT", str(free_port))
    result = cli("doctor", "--data", str(tmp_path / "data"))
    assert result.exit_code == 0, result.output
    for word in ("Python", "kernel", "memory", "cores", "/dev/shm", "GPU", "Landlock", "seccomp", "pidfd", "Ray flags"):
        assert word in result.stdout
    around = next(line for line in result.stdout.splitlines() if line.startswith("Around a run here: "))
    for layer in ("no_new_privs", "rlimits", "closed descriptors", "own scratch directory", "lower priority"):
        assert layer in around
    assert not (tmp_path / "data").exists()


def test_json_has_the_same_in_one_object(
    cli: Cli, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSIDE_PORT", str(free_port))
    report = json.loads(cli("doctor", "--json", "--data", str(tmp_path)).stdout)
    assert report["ok"] is True
    assert report["Ports"]["front"]["port"] == free_port
    assert report["Isolation"]["no_new_privs"]["works"] is True
    assert "rlimits" in report["layers"]["Around a run here"]
    assert "off" in report["Isolation"]["isolation"]["good_for"]


def test_whether_the_gpu_engine_is_wanted_is_read_from_the_settings(
    cli: Cli, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSIDE_PORT", str(free_port))
    monkeypatch.setenv("GRAPHSIDE_GPU", "{}")
    monkeypatch.setattr(machine, "find_devices", lambda: Devices(reason=NO_DRIVER))
    result = cli("doctor", "--json", "--data", str(tmp_path))
    gpu = json.loads(result.stdout)["Machine"]["GPU"]
    assert (result.exit_code, gpu["state"], gpu["wanted"]) == (0, "warning", True)


def test_a_value_of_isolation_that_this_machine_is_not_good_for_is_missing(
    cli: Cli, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSIDE_PORT", str(free_port))
    monkeypatch.setenv("GRAPHSIDE_ISOLATION", "strict")
    monkeypatch.setattr(walls, "examine", lambda environment: {**found(), "namespaces": Found(False, "EPERM")})
    result = cli("doctor", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "Needed and missing: isolation"
    assert "isolation 'strict' requires walls that this machine does not have (namespaces: EPERM)" in result.stdout


def test_a_wrong_setting_is_missing_and_named(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHSIDE_PORT", "many")
    result = cli("doctor", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert "GRAPHSIDE_PORT=many is not a port" in result.stdout
    assert result.stdout.splitlines()[-1] == "Needed and missing: environment"


def test_no_secret_of_the_environment_is_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRAPHSIDE_JWT_SECRET", "GRAPHSIDE_ADMIN_PASSWORD", "GRAPHSIDE_TOKEN", "GRAPHSIDE_DATABASE_URL"):
        monkeypatch.setenv(name, "hunter2" * 8)
    assert "hunter2" not in cli("doctor", "--json").output


def found(**without: str) -> dict[str, Found]:
    """What the probe finds where all walls hold but those named, with the reason why not."""
    return {
        name: Found(name not in without, without.get(name, "fine"), version=7 if name == "landlock" else 0)
        for name in PROBES
    }


def wanted(isolation: Isolation, rewound_seats: int = 2) -> walls.Wanted:
    return walls.Wanted(isolation, rewound_seats, "same_user", reused_seats=0)


class TestWalls:
    def test_every_layer_has_a_probe_and_every_probe_a_layer(self) -> None:
        assert list(BASICS) == list(walls.LAYERS)
        assert list(WALLS) == list(walls.WALLS)

    def test_what_this_version_uses_works_here(self) -> None:
        findings = {finding.name: finding for finding in walls.examine_walls(wanted("off"), template_environment())}
        for name in walls.LAYERS.values():
            assert findings[name].state == "ok", findings[name].text

    def test_what_it_says_of_walls_is_what_the_server_finds(self) -> None:
        answers = examine(template_environment())
        findings = {finding.name: finding for finding in walls._walls("minimal", answers)}
        for key, name in walls.WALLS.items():
            assert findings[name].data["works"] == answers[key].works
            assert findings[name].data["around_runs"] == answers[key].works

    def test_a_used_layer_that_does_not_work_is_missing_and_another_absent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        without = dict.fromkeys((*walls.LAYERS, "landlock", "cgroup"), "not implemented")
        monkeypatch.setattr(walls, "examine", lambda environment: found(**without))
        findings = walls.examine_walls(wanted("off"), {})
        states = {finding.name: finding.state for finding in findings}
        assert (states["rlimits"], states["cgroup v2"], states["Landlock"]) == ("missing", "absent", "absent")
        assert walls.summary(findings)["Around a run here"] == ()

    @pytest.mark.parametrize(
        ("without", "is_root", "good"),
        [
            ({}, True, ["strict", "standard", "minimal", "off"]),
            ({"throwaway_users": "hidden"}, True, ["standard", "minimal", "off"]),
            ({"throwaway_users": "not root"}, False, ["strict", "standard", "minimal", "off"]),
            ({"namespaces": "EPERM"}, True, ["standard", "minimal", "off"]),
            ({"cgroup": "not delegated"}, True, ["strict", "standard", "minimal", "off"]),
            ({"landlock": "none"}, True, ["minimal", "off"]),
            ({"seccomp": "none"}, True, ["off"]),
        ],
    )
    def test_the_values_of_isolation_that_the_machine_is_good_for(
        self, without: dict[str, str], is_root: bool, good: list[str]
    ) -> None:
        reasons = walls.good_for(found(**without), is_root=is_root)
        assert [mode for mode, reason in reasons.items() if not reason] == good
        assert all(any(text in reason for text in without.values()) for reason in reasons.values() if reason)

    def test_off_puts_none_up_and_is_a_warning(self) -> None:
        findings = {finding.name: finding for finding in walls._walls("off", found())}
        assert findings["isolation"].state == "warning"
        assert not any(finding.data.get("around_runs") for finding in findings.values())
        assert "not used" in findings["seccomp"].text

    @pytest.mark.parametrize(
        ("isolation", "seats", "without", "state", "said"),
        [
            ("standard", 2, {}, "ok", "on (userfaultfd, sealed), 2 a dataset, between runs of one user"),
            ("standard", 0, {}, "absent", "off: rewound_seats is 0"),
            ("standard", 2, {"rewind": "userfaultfd is not allowed"}, "absent", "off: userfaultfd is not allowed"),
            ("off", 2, {}, "absent", "off: runs have no filter of system calls here"),
            ("standard", 2, {"landlock": "none"}, "absent", "off: the server would not start with this isolation"),
        ],
    )
    def test_whether_seats_are_rewound_and_why_not(
        self, isolation: Isolation, seats: int, without: dict[str, str], state: str, said: str
    ) -> None:
        answers = found(**without)
        answers["rewind"] = replace(answers["rewind"], version=SEALED_VERSION)
        finding = walls._rewound_seats(wanted(isolation, seats), answers)
        assert (finding.name, finding.state, finding.text) == ("rewound seats", state, said)
        assert finding.data["on"] == (state == "ok")

    def test_a_probe_without_an_answer_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(environment: dict[str, str]) -> dict[str, Found]:
            raise OSError("the walls of this machine could not be tried: no luck")

        monkeypatch.setattr(walls, "examine", fail)
        (finding,) = walls.examine_walls(wanted("standard"), {})
        assert (finding.state, finding.text) == ("missing", "the walls of this machine could not be tried: no luck")


class TestPorts:
    def test_a_port_taken_by_somebody_else_is_missing_and_he_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            front = ports.examine(read_options({"GRAPHSIDE_PORT": str(port)}))[0]
        assert front.state == "missing"
        assert f"process {os.getpid()}" in str(front.data["taken_by"])

    def test_a_port_on_which_graphside_answers_is_fine(self, server: SmallServer) -> None:
        server.on("GET", "/healthz", body={"success": True})
        front = ports.examine(read_options({"GRAPHSIDE_PORT": server.url.rsplit(":")[-1]}))[0]
        assert front.state == "ok"
        assert "a graphside server answers there" in front.text

    def test_a_free_port_is_fine(self, free_port: int) -> None:
        assert ports.examine(read_options({"GRAPHSIDE_PORT": str(free_port)}))[0].state == "ok"


class TestMachine:
    def test_a_data_directory_that_cannot_be_used_is_missing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        found = machine._data_directory(tmp_path / "file")
        assert found.state == "missing"
        assert "set GRAPHSIDE_DATA" in found.text

    def test_a_data_directory_that_is_not_there_is_judged_by_its_parent(self, tmp_path: Path) -> None:
        found = machine._data_directory(tmp_path / "a" / "b")
        assert found.state in ("ok", "warning")
        assert "(does not exist yet)" in found.text

    @pytest.mark.parametrize(
        ("devices", "cudf", "wanted", "state", "says"),
        [
            (Devices(reason=NO_DRIVER), None, False, "absent", "none usable: no NVIDIA driver; tasks run on the CPU"),
            (Devices(reason=NO_DRIVER), "26.10.2", True, "warning", "a GPU runner, which will not start"),
            (Devices(reason="cuInit answers error 100"), None, False, "warning", "error 100; tasks run on the CPU"),
            (CARD, None, False, "ok", "H100 (80 GiB), CUDA 13.0; cudf is not installed"),
            (CARD, None, True, "warning", "pip install -r requirements/gpu.lock"),
            (CARD, "26.10.2", False, "ok", "cudf 26.10.2; the GPU engine can be switched on (GRAPHSIDE_GPU='{}'"),
            (CARD, "26.10.2", True, "ok", "the GPU engine is switched on"),
        ],
    )
    def test_a_gpu_is_told_as_the_driver_tells_it_with_what_is_lacking(
        self,
        monkeypatch: pytest.MonkeyPatch,
        devices: Devices,
        cudf: str | None,
        wanted: bool,
        state: str,
        says: str,
    ) -> None:
        monkeypatch.setattr(machine, "find_devices", lambda: devices)
        monkeypatch.setattr(machine, "_version_of", lambda package: cudf)
        found = machine._gpu(wanted)
        assert found.state == state
        assert says in found.text
        assert (found.data["reason"], found.data["cudf"], found.data["wanted"]) == (devices.reason, cudf, wanted)


class TestSoftware:
    def test_a_package_that_is_too_old_is_missing_and_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(software, "requires", lambda name: ["rich>=99", "nothere>=1", "other>=1; extra == 'gpu'"])
        findings = {found.name: found for found in software._packages()}
        assert findings["rich"].state == "missing"
        assert "rich>=99 is needed" in findings["rich"].text
        assert findings["nothere"].state == "missing"
        assert "other" not in findings

    def test_flags_that_serve_run_would_lack_are_named(self) -> None:
        (found,) = software._ray_flags({})
        assert found.state == "absent"
        assert "RAY_AUTH_MODE" in found.text


def test_only_what_is_needed_and_missing_makes_the_exit_status() -> None:
    fine = Finding("a", "absent", "not there")
    assert Report({"x": (fine, Finding("b", "warning", "little"))}, {}).ok
    assert not Report({"x": (fine,), "y": (Finding("c", "missing", "no"),)}, {}).ok


class TestLimits:
    @pytest.fixture
    def scratch(self, tmp_path: Path) -> limits.Scratch:
        return limits.Scratch(tmp_path / "data" / "scratch", 2**20, tmp_path / "data")

    def found(self, scratch: limits.Scratch, *walls: str) -> dict[str, Finding]:
        return {finding.name: finding for finding in limits.examine(scratch, dict.fromkeys(walls, "fine"))}

    def test_it_says_which_hold_exactly_and_which_by_looking(self, scratch: limits.Scratch) -> None:
        without, best = self.found(scratch), self.found(scratch, "cgroup", "namespaces")
        assert (without["memory"].data["all_runs"], best["memory"].data["all_runs"]) == ("none", "exact")
        assert without["threads"].data["run"] == "looking"
        assert without["scratch of a run"].data == {"file": "exact", "run": "looking"}
        assert (without["other processes"].data["hidden"], best["other processes"].data["hidden"]) == (False, True)

    def test_a_quota_is_believed_when_it_refuses(
        self, scratch: limits.Scratch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can try as another user")
        assert self.found(scratch, "throwaway_users")["scratch of a run"].data["run"] == "looking"
        assert not list(scratch.data_dir.parent.glob("graphside-doctor-*"))
        monkeypatch.setattr(limits, "try_in_child", lambda _: Found(True, "quota"))
        assert self.found(scratch, "throwaway_users")["scratch of a run"].data["run"] == "exact"

    def test_a_file_system_of_its_own_bounds_all_runs(self, scratch: limits.Scratch) -> None:
        assert self.found(scratch)["scratch of all runs"].state == "absent"
        apart = limits.Scratch(Path("/dev/shm"), 2**20, scratch.data_dir)
        assert self.found(apart)["scratch of all runs"].state == "ok"


class TestNames:
    def test_pairs_that_look_alike_are_listed_and_nothing_is_missing_for_them(self, tmp_path: Path) -> None:
        options = read_options({"GRAPHSIDE_DATA": str(tmp_path)})
        (found,) = names.examine(options)
        assert found.state == "absent"
        migrate(options.settings.catalog_url)
        with closing(open_catalog(options.settings.catalog_url)) as catalog:
            users = Users(catalog, Passwords(time_cost=1, memory_cost_kib=8))
            users.add("ann", "correct horse")
            (found,) = names.examine(options)
            assert found.state == "ok"
            users.add("bob", "correct horse")
            with catalog.write() as connection:  # from before the server refused it
                connection.execute(sa.update(table).where(table.c.username == "bob").values(username="ANN"))
        (found,) = names.examine(options)
        assert (found.state, found.data) == ("warning", {"names": [["ANN", "ann"]]})
        assert "ANN and ann" in found.text
