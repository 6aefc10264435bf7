"""A control group ends with every process in it; a replica removes the groups of replicas that were killed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.sandbox.walls import cgroup
from runtime.sandbox.walls.cgroup import open_group, sweep
from runtime.sandbox.walls.delegation import write
from tests.unit.sandbox.conftest import Rig
from tests.unit.sandbox.fake_groups import FakeGroups
from tests.unit.sandbox.task_group.conftest import ALL, LIMITS, ending, living_in, sleeper_in
from tests.waiting import eventually


class TestEnd:
    """On this machine's own groups, which need no controllers for it."""

    def test_a_process_that_enters_lives_there_with_its_children(self, real: Path) -> None:
        group = open_group(real, (), LIMITS)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            with ending():
                cgroup.enter(group.door)
                child = os.fork()
                if child:
                    os.write(writing, b"%d" % child)
                signal.pause()
        os.close(writing)
        child = int(os.read(reading, 20))
        os.close(reading)
        assert {pid, child} == set(living_in(group.path))
        assert os.getpid() not in living_in(group.path)
        group.close()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        assert not Path(f"/proc/{child}").exists() or "State:\tZ" in Path(f"/proc/{child}/status").read_text()
        assert not group.path.exists()

    def test_a_kernel_that_cannot_kill_a_group_has_its_processes_killed_one_by_one(
        self, real: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        group = open_group(real, (), LIMITS)
        pid = sleeper_in(group)

        def before_5_14(path: Path, text: str) -> None:
            if path.name == "cgroup.kill":
                raise FileNotFoundError
            write(path, text)

        monkeypatch.setattr(cgroup, "write", before_5_14)
        group.close()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        assert not group.path.exists()

    def test_a_replica_removes_what_a_killed_one_left_and_nothing_else(self, real: Path) -> None:
        alive = open_group(real, (), LIMITS)
        (real / "somebody-elses").mkdir()
        reading, writing = os.pipe()
        replica = os.fork()
        if replica == 0:
            with ending():
                left = open_group(real, (), LIMITS)
                child = os.fork()
                if child == 0:
                    os.close(left._lock)  # as exec does
                    cgroup.enter(left.door)
                    signal.pause()
                os.write(writing, b"%d %s" % (child, os.fsencode(left.path)))
                signal.pause()
        os.close(writing)
        pid, path = os.read(reading, 4096).split()
        os.close(reading)
        left_behind = Path(os.fsdecode(path))
        eventually(lambda: int(pid) in living_in(left_behind))
        sweep(real)
        assert left_behind.exists(), "its replica lives"
        os.kill(replica, signal.SIGKILL)
        os.waitpid(replica, 0)
        sweep(real)
        assert {path.name for path in real.iterdir() if path.is_dir()} == {alive.path.name, "somebody-elses"}
        alive.close()

    def test_a_group_that_cannot_be_removed_is_left_and_logged(
        self, fake: FakeGroups, mine: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(cgroup, "END_S", 0.02)
        monkeypatch.setattr(cgroup, "_kill", lambda path: None)
        group = open_group(mine, ALL, LIMITS)
        (group.path / "cgroup.procs").write_text("1\n")
        group.close()
        assert "group.left" in caplog.text


class TestOfAReplica:
    def test_the_template_and_all_below_live_there_also_after_it_died(
        self, real: Path, make_rig: Callable[..., Rig]
    ) -> None:
        group = open_group(real, (), LIMITS)
        rig = make_rig(group=group, spares=1)
        source = rig.dataset()
        code = "def task(g):\n    import os\n    return [len(g._edges), os.getpid()]"
        assert rig.run(source, code).failure is None
        assert rig.template.pid in living_in(group.path)
        assert len(living_in(group.path)) >= 3, "template, holder, a spare seat"
        first = rig.template.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        eventually(lambda: rig.template.pid not in (first, None))
        rig.wait(rig.template.ready())
        assert rig.run(rig.dataset(), code).failure is None
        assert rig.template.pid in living_in(group.path)
        rig.wait(rig.executor.close())
        assert not group.path.exists()
