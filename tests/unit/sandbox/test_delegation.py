"""Which control group a server may divide: one that was given to it, and no other."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.sandbox.walls import delegation, probe
from runtime.sandbox.walls.delegation import LEAF, NotDelegated, divide, enter_leaf, given_group
from runtime.sandbox.walls.trial import Found
from tests.unit.sandbox.fake_groups import FakeGroups

UNIT = "/system.slice/graphside.service"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeGroups]:
    with FakeGroups(tmp_path).in_place() as groups:
        yield groups


class TestGiven:
    @pytest.mark.parametrize("attribute", ["trusted.delegate", "user.delegate"])
    def test_a_unit_is_where_systemd_says_so(self, fake: FakeGroups, attribute: str) -> None:
        unit = fake.make(UNIT, os.getpid())
        fake.live_in(UNIT)
        with pytest.raises(NotDelegated, match="without Delegate=yes"):
            given_group(fake.process)
        fake.attributes[unit] = {attribute: b"1"}
        assert given_group(fake.process) == unit

    def test_the_unit_above_is_where_systemd_put_the_server_into_a_subgroup(self, fake: FakeGroups) -> None:
        fake.make(f"{UNIT}/main", os.getpid())
        fake.live_in(f"{UNIT}/main")
        unit = fake.mount / UNIT[1:]
        fake.attributes[unit] = {"user.delegate": b"1"}
        assert given_group(fake.process) == unit

    def test_what_a_users_own_manager_was_given_is_that_managers(self, fake: FakeGroups) -> None:
        manager = "/user.slice/user@1000.service"
        fake.make(f"{manager}/run.scope", os.getpid())
        fake.live_in(f"{manager}/run.scope")
        fake.attributes[fake.mount / manager[1:]] = {"user.delegate": b"1"}
        with pytest.raises(NotDelegated):
            given_group(fake.process)

    def test_none_further_up_is(self, fake: FakeGroups) -> None:
        fake.make(f"{UNIT}/one/two", os.getpid())
        fake.live_in(f"{UNIT}/one/two")
        fake.attributes[fake.mount / UNIT[1:]] = {"user.delegate": b"1"}
        with pytest.raises(NotDelegated):
            given_group(fake.process)

    def test_all_that_a_container_sees_is(self, fake: FakeGroups) -> None:
        fake.begin_a_container(os.getpid())
        fake.live_in("/")
        assert given_group(fake.process) == fake.mount

    def test_the_part_of_a_container_that_sees_the_machines_names_is(self, fake: FakeGroups) -> None:
        fake.begin_a_container(os.getpid())
        fake.live_in("/docker/1234", root="/docker/1234")
        assert given_group(fake.process) == fake.mount

    def test_the_machines_root_is_nobodys(self, fake: FakeGroups) -> None:
        fake.live_in("/")
        with pytest.raises(NotDelegated, match="root control group"):
            given_group(fake.process)

    def test_one_made_by_hand_is(self, fake: FakeGroups) -> None:
        mine = fake.make("/mine", os.getpid())
        fake.live_in("/mine")
        assert given_group(fake.process) == mine

    @pytest.mark.parametrize(("above", "given"), [(0, True), (1000, False)])
    def test_an_ordinary_users_is_where_somebody_else_gave_it_to_him(
        self, fake: FakeGroups, monkeypatch: pytest.MonkeyPatch, above: int, given: bool
    ) -> None:
        unit = fake.make(UNIT, os.getpid())
        fake.live_in(UNIT)
        fake.owners = {unit: 1000, unit.parent: above}
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        if given:
            assert given_group(fake.process) == unit
        else:
            with pytest.raises(NotDelegated):
                given_group(fake.process)

    def test_a_server_in_its_leaf_finds_the_group_above(self, fake: FakeGroups) -> None:
        fake.make(f"/mine/{LEAF}", os.getpid())
        fake.live_in(f"/mine/{LEAF}")
        assert given_group(fake.process) == fake.mount / "mine"

    @pytest.mark.parametrize("name", ["/../elsewhere", "/other"])
    def test_one_outside_of_what_is_mounted_cannot_be(self, fake: FakeGroups, name: str) -> None:
        fake.live_in(name, root="/docker/1234")
        with pytest.raises(NotDelegated, match="not mounted"):
            given_group(fake.process)

    def test_a_kernel_with_version_1_only_has_none(self, fake: FakeGroups) -> None:
        fake.live_in("/")
        (fake.process / "cgroup").write_text("8:pids:/\n4:memory:/\n")
        with pytest.raises(NotDelegated, match="no control groups of version 2"):
            given_group(fake.process)


class TestEnteringALeaf:
    def test_a_server_alone_in_its_group_goes_into_a_leaf(self, fake: FakeGroups) -> None:
        mine = fake.make("/mine", os.getpid())
        fake.live_in("/mine")
        assert enter_leaf(fake.process)
        assert (mine / LEAF / "cgroup.procs").read_text().split() == [str(os.getpid())]
        assert divide(mine) == ("memory", "pids", "cpu")

    def test_the_leaf_of_one_before_will_do(self, fake: FakeGroups) -> None:
        fake.make(f"/mine/{LEAF}")
        mine = fake.make("/mine", os.getpid())
        fake.live_in("/mine")
        assert enter_leaf(fake.process)
        assert (mine / LEAF / "cgroup.procs").read_text().split() == [str(os.getpid())]

    @pytest.mark.parametrize("others", [(1,), (0,)])  # 0 is how a process outside the pid namespace shows
    def test_processes_of_others_are_not_moved_nor_left_alone(self, fake: FakeGroups, others: tuple[int, ...]) -> None:
        mine = fake.make("/mine", os.getpid(), *others)
        fake.live_in("/mine")
        assert not enter_leaf(fake.process)
        with pytest.raises(NotDelegated, match="2 processes are in the server's control group itself"):
            divide(mine)
        assert fake.written == [], "nor is anything enabled, which would make groups below useless"

    @pytest.mark.parametrize("name", [UNIT, f"/mine/{LEAF}"])
    def test_nothing_is_done_in_a_group_that_is_not_ours_or_when_we_are_there(
        self, fake: FakeGroups, name: str
    ) -> None:
        fake.make(name, os.getpid())
        fake.live_in(name)
        assert not enter_leaf(fake.process)
        assert fake.written == []


class TestDivide:
    def test_what_cannot_be_enabled_is_done_without(self, fake: FakeGroups) -> None:
        mine = fake.make("/mine")
        fake.refuses["cpu"] = errno.EINVAL  # as where the group has real-time processes
        assert divide(mine) == ("memory", "pids")

    def test_without_memory_and_pids_it_is_not_worth_it(self, fake: FakeGroups) -> None:
        mine = fake.make("/mine", offers="cpu hugetlb")
        with pytest.raises(
            NotDelegated, match=r"neither the memory nor the pids controller \(controllers: cpu hugetlb\)"
        ):
            divide(mine)

    def test_a_read_only_mount_is_told(self, fake: FakeGroups) -> None:
        mine = fake.make("/mine")
        fake.refuses = dict.fromkeys(delegation.CONTROLLERS, errno.EROFS)
        with pytest.raises(NotDelegated, match="cannot be divided: read-only file system"):
            divide(mine)


def test_the_probe_tells_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise NotDelegated("nobody gave one")

    monkeypatch.setattr(delegation, "given_group", none)
    assert probe._cgroup() == Found(False, "nobody gave one")
