"""The kernel enforces the limits of a control group."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import TaskMemoryExceeded
from runtime.sandbox.walls import cgroup, probe
from runtime.sandbox.walls.cgroup import PREFIX, open_group
from runtime.sandbox.walls.delegation import divide, enter_leaf, given_group, write
from runtime.sandbox.walls.trial import try_in_child
from runtime.task import MIB
from tests.unit.sandbox.conftest import Rig
from tests.unit.sandbox.forked import in_a_child
from tests.unit.sandbox.task_group.conftest import LIMITS, living_in, refused_why


class TestWhereItLimits:
    """Only where these tests were given a group with the memory controller; else they are skipped, with the reason."""

    def test_the_probe_tries_it(self, limiting: tuple[Path, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("runtime.sandbox.walls.delegation.given_group", lambda: limiting[0])
        found = try_in_child(probe._cgroup)
        assert found.works, found.detail
        assert found.detail.startswith("limits of memory")
        assert not list(limiting[0].glob(f"{PREFIX}*"))

    def test_a_server_alone_in_its_group_makes_room_and_the_group_can_be_divided(
        self, limiting: tuple[Path, tuple[str, ...]]
    ) -> None:
        mine = limiting[0] / "mine"
        mine.mkdir()

        def act() -> list[object]:
            write(mine / "cgroup.procs", "0")
            return [
                given_group() == mine,
                refused_why(mine),
                enter_leaf(),
                enter_leaf(),
                divide(mine),
                given_group() == mine,
            ]

        own, why, went, again, controllers, found = in_a_child(act)
        assert own, "made by hand"
        assert "one process is in the server's control group itself" in why
        assert (went, again) == (True, False)
        assert "memory" in controllers
        assert found, "from its leaf too"

    def test_the_kernel_takes_the_limits(self, limiting: tuple[Path, tuple[str, ...]]) -> None:
        base, controllers = limiting
        group = open_group(base, controllers, LIMITS)
        assert (group.path / "memory.max").read_text().strip() == str(512 * MIB)
        assert (group.path / "memory.oom.group").read_text().strip() == "0"
        if "pids" in controllers:
            assert (group.path / "pids.max").read_text().strip() == "500"
        if "cpu" in controllers:
            assert (group.path / "cpu.weight").read_text().strip() == str(cgroup.CPU_WEIGHT)
        group.close()

    def test_runs_that_use_too_much_together_end_as_that_and_the_next_one_runs(
        self, limiting: tuple[Path, tuple[str, ...]], make_rig: Callable[..., Rig]
    ) -> None:
        base, controllers = limiting
        group = open_group(base, controllers, LIMITS)
        rig = make_rig(group=group, spares=0)
        source = rig.dataset()
        assert rig.run(source, "def task(g): return 1").failure is None
        holders = set(living_in(group.path))
        outcome = rig.run(source, "def task(g): return len(b'1' * (1 << 30))", memory_bytes=2048 * MIB)
        assert isinstance(outcome.failure, TaskMemoryExceeded), outcome.failure
        assert outcome.failure.fields["limit_name"] == "tasks_memory_bytes"
        assert rig.run(source, "def task(g): return 2").failure is None
        assert holders <= set(living_in(group.path)), "template and holder live on"
        rig.wait(rig.executor.close())
        assert not group.path.exists()
