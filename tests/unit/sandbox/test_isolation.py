"""From what an operator asks for and what a machine has to the walls that stand, or to no start."""

import itertools
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from deployments.launch import supervisor as supervisors
from deployments.launch.errors import LaunchError
from deployments.launch.machine.instance import Instance
from deployments.launch.options import read_options
from deployments.launch.supervisor import Stopped, Supervisor
from runtime.sandbox.walls import isolation as isolations
from runtime.sandbox.walls import probe
from runtime.sandbox.walls.enclosure import NONE, Walls
from runtime.sandbox.walls.isolation import Isolation, WallMissing, choose_walls, describe, remark, standing
from runtime.sandbox.walls.probe import PROBES, WALLS
from runtime.sandbox.walls.rewind import SEALED_VERSION
from runtime.sandbox.walls.trial import Found, NotForbidden, refused, try_in_child

MODES: tuple[Isolation, ...] = get_args(Isolation)
NEEDS: dict[tuple[Isolation, bool], set[str]] = {
    ("strict", True): {"landlock", "seccomp", "namespaces", "throwaway_users"},
    ("strict", False): {"landlock", "seccomp", "namespaces"},
    ("standard", True): {"landlock", "seccomp"},
    ("standard", False): {"landlock", "seccomp"},
    ("minimal", True): {"seccomp"},
    ("minimal", False): {"seccomp"},
    ("off", True): set(),
    ("off", False): set(),
}


def raising(error: Exception) -> Found:
    raise error


def machine(*missing: str) -> dict[str, Found]:
    """One that has all walls but these, and can rewind seats unless ``rewind`` is one of them."""
    versions = {"landlock": 5, "rewind": SEALED_VERSION}
    return {
        name: Found(name not in missing, f"{name} told why", 0 if name in missing else versions.get(name, 0))
        for name in (*WALLS, "rewind")
    }


@pytest.mark.parametrize("is_root", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_a_server_starts_where_what_its_mode_needs_is_there(mode: Isolation, is_root: bool) -> None:
    for count in range(len(WALLS) + 1):
        for missing in itertools.combinations(WALLS, count):
            lacking = NEEDS[mode, is_root] & set(missing)
            if lacking:
                with pytest.raises(WallMissing) as refusal:
                    choose_walls(mode, machine(*missing), is_root=is_root)
                assert all(f"{name}: {name} told why" in str(refusal.value) for name in lacking)
                continue
            walls = choose_walls(mode, machine(*missing), is_root=is_root)
            there = {name for name, stands in standing(walls).items() if stands}
            assert there == (set() if mode == "off" else set(WALLS) - set(missing)), "all that hold stand, or none"


def test_the_version_of_landlock_is_handed_down() -> None:
    assert choose_walls("standard", machine(), is_root=True) == Walls(5, True, True, True, True, "sealed")
    assert choose_walls("off", machine(), is_root=True) == NONE


def test_the_line_tells_of_each_wall_and_why_it_does_not_stand() -> None:
    found = machine("namespaces", "throwaway_users")
    line = describe("standard", choose_walls("standard", found, is_root=False), found)
    assert line == (
        "isolation standard: rlimits on | no_new_privs on | landlock on | seccomp on | "
        "namespaces off (namespaces told why) | throwaway_users off (throwaway_users told why) | cgroup on"
    )
    assert "debugging only" in describe("off", NONE, found)


@pytest.mark.parametrize(
    ("mode", "said"), [("strict", ""), ("standard", ""), ("minimal", " isolation=minimal"), ("off", " isolation=off")]
)
def test_lines_of_runs_say_so_where_less_stands_than_should(mode: Isolation, said: str) -> None:
    assert remark(mode) == said


class TestLauncher:
    def supervisor(self, mode: str) -> Supervisor:
        environment = {"GRAPHSIDE_ISOLATION": mode}
        return Supervisor(read_options(environment), environment)

    def test_the_greeting_tells_what_the_runners_will_find(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(isolations, "examine", lambda environment: machine())
        isolation, rewound = self.supervisor("standard")._walls()
        assert isolation.startswith("isolation standard: rlimits on")
        assert rewound.startswith(("on (userfaultfd, sealed), ", "off: rewound_seats is 0"))
        assert self.supervisor("off")._walls()[0].startswith("isolation off: tasks can do")

    def test_it_makes_room_in_its_control_group_before_it_starts_anything(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        steps: list[str] = []

        def start(*_: object) -> None:
            steps.append("start")
            raise Stopped

        monkeypatch.setattr(supervisors, "enter_leaf", lambda: steps.append("enter_leaf"))
        monkeypatch.setattr(Supervisor, "_start_child", start)
        environment = {"GRAPHSIDE_DATA": str(tmp_path)}
        (tmp_path / "logs").mkdir()
        with Instance(tmp_path) as instance, pytest.raises(Stopped):
            Supervisor(read_options(environment), environment)._serve(instance)
        assert steps == ["enter_leaf", "start"]

    def test_a_wall_that_is_missing_is_one_sentence_before_anything_is_deployed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(isolations, "examine", lambda environment: machine("landlock"))
        with pytest.raises(LaunchError, match=r"isolation 'standard' requires .*landlock told why.*graphside doctor"):
            self.supervisor("standard")._walls()
        assert "landlock off" in self.supervisor("minimal")._walls()[0]


class TestProbe:
    def test_it_tells_of_every_wall(self) -> None:
        assert list(probe.examine()) == list(PROBES)

    def test_a_probe_without_an_answer_is_an_error_that_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(probe, "__name__", "no_such_module")
        with pytest.raises(OSError, match=r"could not be tried: .*No module named no_such_module"):
            probe.examine()

    def test_a_wall_that_lets_through_what_it_should_forbid_does_not_hold(self) -> None:
        def act() -> Found:
            refused((1,), "a socket", lambda: None)
            return Found(True, "")

        assert try_in_child(act) == Found(False, "a socket was let through")

    @pytest.mark.parametrize(
        ("act", "result"),
        [
            (lambda: Found(True, "fine"), Found(True, "fine")),
            (partial(raising, OSError(38, "Function not implemented")), Found(False, "Function not implemented")),
            (partial(raising, NotForbidden("reading was let through")), Found(False, "reading was let through")),
            (lambda: os._exit(3), Found(False, "the process that tried it ended with 3")),
            (lambda: os.kill(os.getpid(), 9), Found(False, "the process that tried it ended with -9")),
        ],
    )
    def test_a_wall_holds_only_if_its_probe_says_so(self, act: Callable[[], Found], result: Found) -> None:
        assert try_in_child(act) == result
