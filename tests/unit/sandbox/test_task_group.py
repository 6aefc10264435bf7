"""The control group of a replica: its limits, its end, what it tells of runs that the kernel killed."""

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployments.runner import budget
from deployments.runner import deployment as runner
from deployments.runner.budget import GROUP_MARGIN_BYTES, GROUP_MARGIN_PIDS, group_limits
from deployments.settings import Settings
from runtime.engines.pandas import HOLDER_BYTES
from runtime.errors import RunInterrupted, RuntimeFailure, TaskCrashed, TaskMemoryExceeded, TaskTimeout
from runtime.executor import ExecutorSettings
from runtime.sandbox.walls import cgroup, probe
from runtime.sandbox.walls.cgroup import PREFIX, GroupLimits, MemoryEvents, TaskGroup, open_group, sweep
from runtime.sandbox.walls.delegation import NotDelegated, divide, enter_leaf, given_group, write
from runtime.sandbox.walls.delegation import _mount_of as mount_of
from runtime.sandbox.walls.delegation import _name_of as name_of
from runtime.sandbox.walls.trial import try_in_child
from runtime.task import MIB
from tests.unit.sandbox.conftest import Rig
from tests.unit.sandbox.fake_groups import FakeGroups
from tests.unit.sandbox.forked import in_a_child
from tests.waiting import eventually

ALL = ("memory", "pids", "cpu")
LIMITS = GroupLimits(memory_bytes=512 * MIB, pids=500)
NO_EVENTS = MemoryEvents(0, 0)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeGroups]:
    with FakeGroups(tmp_path).in_place() as groups:
        groups.make("/mine")
        yield groups


@pytest.fixture
def mine(fake: FakeGroups) -> Path:
    return fake.mount / "mine"


@pytest.fixture
def real() -> Iterator[Path]:
    """A group of this machine, below the one that was given to these tests or, where none was, below their own."""
    here = Path("/proc/self")
    enter_leaf()
    try:
        above = given_group()
        divide(above)
    except NotDelegated:
        try:
            name = name_of(here)
            mount, root = mount_of(here, name)
        except NotDelegated as error:
            pytest.skip(str(error))
        above = mount / os.path.relpath(name, root)
    base = above / f"graphside-test-{secrets.token_hex(4)}"
    try:
        base.mkdir()
    except OSError as error:
        pytest.skip(f"control groups cannot be made here: {error.strerror}")
    yield base
    assert cgroup._end(base)


@pytest.fixture
def limiting(real: Path) -> tuple[Path, tuple[str, ...]]:
    """The same, where it can limit memory, with what it can limit."""
    try:
        controllers = divide(real)
    except NotDelegated as error:
        pytest.skip(f"no control group with the memory controller was given to these tests: {error}")
    if "memory" not in controllers:
        pytest.skip("no control group with the memory controller was given to these tests")
    return real, controllers


def living_in(group: Path) -> list[int]:
    return [int(line) for line in (group / "cgroup.procs").read_text().split()]


def refused_why(group: Path) -> str:
    with pytest.raises(NotDelegated) as refusal:
        divide(group)
    return str(refusal.value)


@contextmanager
def ending() -> Iterator[None]:
    """Around what a child does: it never comes back into the tests."""
    try:
        yield
    finally:
        os._exit(1)


def sleeper_in(group: TaskGroup) -> int:
    pid = os.fork()
    if pid == 0:
        with ending():
            cgroup.enter(group.door)
            signal.pause()
    eventually(lambda: pid in living_in(group.path))
    return pid


class TestLimits:
    def test_each_controller_gets_its_own(self, fake: FakeGroups, mine: Path) -> None:
        group = open_group(mine, ALL, LIMITS)
        told = {path.name: path.read_text() for path in group.path.iterdir() if not path.name.startswith("cgroup.")}
        assert told["memory.max"] == str(512 * MIB)
        assert (told["memory.swap.max"], told["memory.oom.group"]) == ("0", "0")
        assert told["pids.max"] == "500"
        assert 0 < int(told["cpu.weight"]) < 100, "less than the server's own"
        group.close()

    def test_of_a_controller_that_is_not_there_nothing_is_written(self, fake: FakeGroups, mine: Path) -> None:
        group = open_group(mine, ("pids",), LIMITS)
        assert [name for name, _ in fake.written] == ["pids.max"]
        assert group.memory_events() == NO_EVENTS
        group.close()

    def test_they_are_there_before_anything_enters(self, fake: FakeGroups, mine: Path) -> None:
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

    def test_one_that_cannot_be_limited_is_not_left_behind(
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

    def test_a_runner_says_what_it_made(
        self, fake: FakeGroups, mine: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(runner, "given_group", lambda: mine)
        caplog.set_level("INFO", logger="graphside")
        group = runner.standing_group(LIMITS)
        assert f"controllers=memory,pids,cpu memory_bytes={512 * MIB} pids=500" in caplog.text
        assert group.path.parent == mine
        group.close()

    def test_the_operators_word_counts(self) -> None:
        settings, executor = Settings(tasks_memory_bytes=600 * MIB), ExecutorSettings(4, 1, MIB)
        assert group_limits(settings, executor, 300 * MIB).memory_bytes == 600 * MIB


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


class TestEnd:
    """On this machine's own groups, which need no controllers for it."""

    def test_whoever_enters_lives_there_with_what_he_forks(self, real: Path) -> None:
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

    def test_one_that_will_not_go_is_left_with_a_word(
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
