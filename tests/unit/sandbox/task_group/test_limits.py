"""Which limits the control group of a replica gets."""

from pathlib import Path

import pytest

from deployments.runner import budget
from deployments.runner import deployment as runner
from deployments.runner.budget import (
    GROUP_MARGIN_BYTES,
    GROUP_MARGIN_PIDS,
    REWOUND_PROCESSES,
    group_limits,
    most_rewound_seats,
)
from deployments.settings import Settings
from runtime.engines.pandas import HOLDER_BYTES
from runtime.executor import ExecutorSettings
from runtime.sandbox.host.rewound_seat import BYTES as REWOUND_BYTES
from runtime.sandbox.walls import cgroup
from runtime.sandbox.walls.cgroup import PREFIX, MemoryEvents, open_group
from runtime.task import MIB
from tests.unit.sandbox.fake_groups import FakeGroups
from tests.unit.sandbox.task_group.conftest import ALL, LIMITS

NO_EVENTS = MemoryEvents(0, 0)


class TestLimits:
    def test_each_controller_gets_its_limit(self, fake: FakeGroups, mine: Path) -> None:
        group = open_group(mine, ALL, LIMITS)
        told = {path.name: path.read_text() for path in group.path.iterdir() if not path.name.startswith("cgroup.")}
        assert told["memory.max"] == str(512 * MIB)
        assert (told["memory.swap.max"], told["memory.oom.group"]) == ("0", "0")
        assert told["pids.max"] == "500"
        assert 0 < int(told["cpu.weight"]) < 100, "less than the server's own"
        group.close()

    def test_nothing_is_written_for_a_controller_that_is_absent(self, fake: FakeGroups, mine: Path) -> None:
        group = open_group(mine, ("pids",), LIMITS)
        assert [name for name, _ in fake.written] == ["pids.max"]
        assert group.memory_events() == NO_EVENTS
        group.close()

    def test_limits_are_set_before_a_process_enters(self, fake: FakeGroups, mine: Path) -> None:
        group = open_group(mine, ALL, LIMITS)
        assert "cgroup.procs" not in [name for name, _ in fake.written]
        group.close()

    @pytest.mark.parametrize("where", ["mine", "."])
    def test_memory_stays_below_what_the_groups_above_allow(self, fake: FakeGroups, mine: Path, where: str) -> None:
        if where == ".":
            fake.begin_a_container()
        (fake.mount / where / "memory.max").write_text(f"{100 * MIB}\n")
        group = open_group(mine, ALL, LIMITS)
        assert group.limits.memory_bytes == 90 * MIB
        assert (group.path / "memory.max").read_text() == str(90 * MIB)
        group.close()

    def test_a_group_that_cannot_be_limited_is_removed(
        self, fake: FakeGroups, mine: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: Path, text: str) -> None:
            raise PermissionError(1, "no")

        monkeypatch.setattr(cgroup, "write", refuse)
        with pytest.raises(PermissionError):
            open_group(mine, ALL, LIMITS)
        assert not list(mine.glob(f"{PREFIX}*"))

    @pytest.mark.parametrize("machine_bytes", [16 * 1024 * MIB, 2048 * MIB])
    def test_by_default_they_allow_what_the_other_limits_allow_and_less_than_all(
        self, monkeypatch: pytest.MonkeyPatch, machine_bytes: int
    ) -> None:
        monkeypatch.setattr(budget, "memory_bytes", lambda: machine_bytes)
        settings, executor = Settings(), ExecutorSettings(seats=4, queue=1, cache_bytes=1024 * MIB)
        limits = group_limits(settings, executor, most_memory_bytes=300 * MIB)
        results = settings.maximum.result_bytes
        enough = 4 * (300 * MIB + results) + 1024 * MIB + GROUP_MARGIN_BYTES
        assert limits.memory_bytes == min(enough, int(0.9 * machine_bytes))
        holders = 1024 * MIB // HOLDER_BYTES
        assert limits.pids == 4 * 64 + 3 * holders + GROUP_MARGIN_PIDS

    def test_rewound_seats_have_their_processes_and_those_that_run_their_memory(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(budget, "memory_bytes", lambda: 64 * 1024 * MIB)
        executor = ExecutorSettings(seats=4, queue=1, cache_bytes=1024 * MIB)
        without, with_them = (group_limits(Settings(rewound_seats=most), executor, 300 * MIB) for most in (0, 2))
        seats = most_rewound_seats(Settings(rewound_seats=2), executor.cache_bytes)
        assert with_them.pids - without.pids == seats * REWOUND_PROCESSES > 0
        assert with_them.memory_bytes - without.memory_bytes == 4 * REWOUND_BYTES

    def test_a_runner_logs_the_group_that_it_made(
        self, fake: FakeGroups, mine: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(runner, "given_group", lambda: mine)
        caplog.set_level("INFO", logger="graphside")
        group = runner.standing_group(LIMITS)
        assert f"controllers=memory,pids,cpu memory_bytes={512 * MIB} pids=500" in caplog.text
        assert group.path.parent == mine
        group.close()

    def test_the_operators_setting_wins(self) -> None:
        settings, executor = Settings(tasks_memory_bytes=600 * MIB), ExecutorSettings(4, 1, MIB)
        assert group_limits(settings, executor, 300 * MIB).memory_bytes == 600 * MIB
