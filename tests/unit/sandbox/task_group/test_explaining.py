"""A control group says which runs the kernel killed because memory was full."""

from pathlib import Path

import pytest

from runtime.errors import RunInterrupted, RuntimeFailure, TaskCrashed, TaskMemoryExceeded, TaskTimeout
from runtime.sandbox.walls.cgroup import TaskGroup, open_group
from runtime.task import MIB
from tests.unit.sandbox.fake_groups import FakeGroups
from tests.unit.sandbox.task_group.conftest import ALL, LIMITS


class TestExplaining:
    killed = TaskCrashed("the task's process was ended by SIGKILL", signal="SIGKILL")

    def events(self, group: TaskGroup, *, oom: int, oom_kill: int) -> None:
        (group.path / "memory.events").write_text(f"low 0\nhigh 0\nmax 9\noom {oom}\noom_kill {oom_kill}\n")

    def test_a_run_that_the_kernel_killed_when_the_group_was_full_names_that_limit(
        self, fake: FakeGroups, mine: Path
    ) -> None:
        group = open_group(mine, ALL, LIMITS)
        before = group.memory_events()
        self.events(group, oom=1, oom_kill=1)
        failure = group.explain(self.killed, before, used_bytes=77)
        assert isinstance(failure, TaskMemoryExceeded)
        assert failure.fields == {"limit_name": "tasks_memory_bytes", "limit": 512 * MIB, "observed": 512 * MIB}
        assert "the task itself had used 77 bytes" in failure.message
        group.close()

    def test_where_the_machine_was_full_no_limit_is_named(self, fake: FakeGroups, mine: Path) -> None:
        group = open_group(mine, ALL, LIMITS)
        before = group.memory_events()
        self.events(group, oom=0, oom_kill=1)
        failure = group.explain(self.killed, before, used_bytes=77)
        assert isinstance(failure, TaskMemoryExceeded)
        assert failure.fields == {}
        assert "the machine" in failure.message
        group.close()

    @pytest.mark.parametrize(
        ("failure", "oom_kill"),
        [
            (killed, 3),
            (TaskCrashed("the task's process was ended by SIGSEGV", signal="SIGSEGV"), 4),
            (TaskCrashed("the task's process ended with exit code 3 and no result", exit_code=3), 4),
            (TaskTimeout("too long", limit_name="timeout_s", limit=1, observed=2), 4),
            (RunInterrupted("its holder ended", retry_after_s=1), 4),
        ],
        ids=["nothing was killed since", "another signal", "an exit", "a limit of its own", "its holder"],
    )
    def test_other_ends_stay_what_they_are(
        self, fake: FakeGroups, mine: Path, failure: RuntimeFailure, oom_kill: int
    ) -> None:
        group = open_group(mine, ALL, LIMITS)
        self.events(group, oom=2, oom_kill=3)
        before = group.memory_events()
        self.events(group, oom=2, oom_kill=oom_kill)
        assert group.explain(failure, before, 0) is failure
        group.close()

    def test_after_the_end_nothing_is_counted(self, fake: FakeGroups, mine: Path) -> None:
        group = open_group(mine, ALL, LIMITS)
        self.events(group, oom=1, oom_kill=1)
        before = group.memory_events()
        group.close()
        group.close()
        assert group.explain(self.killed, before, 0) is self.killed
