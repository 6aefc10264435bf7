"""Who a seat is: a user that nobody else is, without capabilities."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from runtime.sandbox.walls import identity
from tests.unit.sandbox.forked import in_a_child, refused

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


def capabilities() -> dict[str, int]:
    """The sets of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line[3:6]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}


def test_ids_are_far_from_those_of_people_services_and_containers_and_differ() -> None:
    drawn = {identity.new_uid() for _ in range(1000)}
    assert len(drawn) > 990
    assert min(drawn) >= 1_900_000_000
    assert max(drawn) < 2**31 - 1  # minus one means nobody, and some tools sign numbers


@root
def test_a_new_user_has_one_group_and_no_way_back() -> None:
    uid = identity.new_uid()

    def act() -> Any:
        identity.become(uid)
        identity.drop_capabilities()
        return [os.getresuid(), os.getresgid(), os.getgroups(), refused(lambda: os.setuid(0)), capabilities()]

    uids, gids, groups, way_back, sets = in_a_child(act)
    assert uids == gids == [uid] * 3
    assert groups == []
    assert way_back == errno.EPERM
    # The bounding set only bounds what a file could give, and with no_new_privs no file gives anything.
    assert {name: held for name, held in sets.items() if name != "Bnd"} == dict.fromkeys(
        ("Inh", "Prm", "Eff", "Amb"), 0
    )


@root
@pytest.mark.parametrize("kept", [(), identity.SWITCHING_USERS])
def test_capabilities_are_gone_but_those_kept(kept: tuple[int, ...]) -> None:
    def act() -> Any:
        identity.drop_capabilities(kept)
        can_switch = refused(lambda: os.setresuid(4242, 4242, 4242)) == 0
        return [capabilities(), can_switch, refused(lambda: os.chown("/", -1, -1)) if not can_switch else 0]

    sets, can_switch, _ = in_a_child(act)
    assert can_switch == bool(kept)
    assert sets["Amb"] == sets["Inh"] == 0
    assert sets["Bnd"] == sum(1 << number for number in kept)


@root
def test_root_without_capabilities_reads_no_file_of_others(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("x")
    os.chown(theirs, 4242, 4242)
    theirs.chmod(0o600)

    def act() -> int:
        identity.drop_capabilities()
        return refused(lambda: os.open(theirs, os.O_RDONLY))

    assert in_a_child(act) == errno.EACCES


@pytest.mark.parametrize(
    ("uid_map", "may"),
    [
        ("0 0 4294967295\n", True),
        ("0 100000 65536\n", False),  # a container's own: our ids do not exist in it
        ("0 1000 1\n1 100000 65536\n", False),
        ("0 1000 1\n1 1 4294967294\n", True),
    ],
)
def test_other_ids_have_to_exist(uid_map: str, may: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uid_map").write_text(uid_map)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("builtins.open", lambda path, **_: (tmp_path / Path(path).name).open(encoding="ascii"))
    assert identity.may_become_anybody() == may
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not identity.may_become_anybody()
