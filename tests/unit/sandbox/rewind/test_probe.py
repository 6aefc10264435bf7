"""What the probe says of machines that lack something, and what is chosen there."""

import errno
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.sandbox.walls.isolation import choose_walls, why_not_rewound
from runtime.sandbox.walls.probe import PROBES
from runtime.sandbox.walls.rewind import SEALED_VERSION, TRACKED_VERSION, RewindMode, describe_rewinding
from runtime.sandbox.walls.rewinding import probe, tracking
from runtime.sandbox.walls.trial import Found, try_in_child
from tests.attacks.state import kept_by
from tests.stand_ins import STAND_INS, StandIn
from tests.unit.sandbox.forked import in_a_child
from tests.unit.sandbox.rewind.conftest import Rewinding
from tests.unit.standing_walls import walls
from tests.waiting import WITHIN_S

SAID = {
    "Yama 2": "ptrace is not allowed here",
    "Yama 3": "ptrace is not allowed here",
    "no ptrace": "the kernel has no ptrace",
    "no process_vm_writev": "process_vm_writev is not allowed here",
    "no userfaultfd": "the kernel has no userfaultfd",
    "userfaultfd forbidden": "userfaultfd is not allowed here (a seccomp profile of the container?)",
    "Linux 6.1": "Linux 6.7 or newer can",
    "no PAGEMAP_SCAN": "the kernel has no PAGEMAP_SCAN",
    "Docker": "userfaultfd is not allowed here",
    "Kubernetes": "userfaultfd is not allowed here",
}
"""Why seats are not rewound there, for an operator."""


@pytest.fixture(autouse=True)
def _here() -> None:
    if not walls().rewind:
        pytest.skip("this machine cannot rewind seats")


def tried_behind(stand_in: StandIn) -> Found:
    """What the probe finds on such a machine."""

    def act() -> dict[str, object]:
        stand_in.put_up()
        return asdict(try_in_child(PROBES["rewind"]))

    return Found(**in_a_child(act))


def test_every_stand_in_is_tried() -> None:
    assert {*SAID, "Linux 6.8"} == set(STAND_INS)


@pytest.mark.parametrize("name", SAID)
def test_what_is_refused_is_named_and_seats_are_forked(name: str) -> None:
    found = tried_behind(STAND_INS[name])
    assert not found.works
    assert SAID[name] in found.detail
    chosen = choose_walls("standard", machine(found), is_root=False)
    assert chosen.rewind == ""
    assert why_not_rewound(chosen, machine(found)) == found.detail


def test_without_mseal_mappings_are_compared_instead() -> None:
    found = tried_behind(STAND_INS["Linux 6.8"])
    assert (found.works, found.version) == (True, TRACKED_VERSION), found.detail
    assert "the kernel has no mseal" in found.detail
    assert choose_walls("standard", machine(found), is_root=False).rewind == "tracked"


def machine(rewind: Found) -> dict[str, Found]:
    """One with all walls, on which the probe finds this."""
    return {**dict.fromkeys(PROBES, Found(True, "fine", 5)), "rewind": rewind}


def test_without_a_filter_of_calls_no_seat_is_rewound() -> None:
    found = {**machine(Found(True, "fine", SEALED_VERSION)), "seccomp": Found(False, "no seccomp")}
    assert choose_walls("off", found, is_root=False).rewind == ""
    assert why_not_rewound(choose_walls("off", found, is_root=False), found) == (
        "runs have no filter of system calls here"
    )


@pytest.mark.parametrize("scope", [2, 3])
def test_yama_is_named_with_its_value(scope: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ptrace_scope").write_text(f"{scope}\n")
    monkeypatch.setattr(probe, "YAMA", tmp_path / "ptrace_scope")
    found = tried_behind(STAND_INS["Yama 2"])
    assert found.detail.startswith(f"kernel.yama.ptrace_scope is {scope}, so no process may trace its child")


def test_yama_1_allows_what_a_keeper_does_because_it_traces_its_descendants_only(rewinding: Rewinding) -> None:
    rewinding.make()
    assert rewinding.seat is not None and rewinding.seat._child is not None and rewinding.seat._keeper is not None
    seat, witness = kept_by(psutil.Process(rewinding.seat._keeper._keeper.pid))
    assert seat.pid == rewinding.seat._child.pid
    assert witness.pid != seat.pid


def test_the_trial_has_no_privilege_that_a_keeper_lacks() -> None:
    def capabilities() -> str:
        assert probe.try_rewind().works
        status = Path("/proc/self/status").read_text()
        return next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))

    assert int(in_a_child(capabilities), 16) == 0


def never_answers() -> Callable[[], int]:
    return lambda: time.sleep(WITHIN_S) or 0  # type: ignore[func-returns-value]


def test_a_trial_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "WITHIN_S", 0.2)
    monkeypatch.setattr(tracking, "open_tracker", never_answers())
    found = try_in_child(PROBES["rewind"])
    assert found == Found(False, "the trial had no end within 0.2 s")


def test_a_trial_that_ends_itself_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "open_tracker", lambda: os._exit(3))
    assert "ended by itself" in try_in_child(PROBES["rewind"]).detail


def test_another_architecture_is_refused_until_it_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert probe.try_rewind() == Found(False, "not tested on aarch64")


@pytest.mark.parametrize(
    ("library", "said"),
    [
        ("glibc 2.31", ""),
        ("glibc 2.40", ""),
        ("glibc 2.41", "not tested with glibc 2.41"),
        ("glibc 3.0", "not tested with glibc 3.0"),
        ("", "tested with glibc only"),
    ],
)
def test_a_c_library_that_may_repeat_random_numbers_is_refused(
    library: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: library)
    found = try_in_child(PROBES["rewind"])
    assert found.works == (not said)
    assert said in found.detail


def test_a_kernel_that_refuses_for_another_reason_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(tracking, "open_tracker", fail)
    assert try_in_child(PROBES["rewind"]).detail == "userfaultfd: Too many open files"


def said(mode: RewindMode, why_not: str = "", **settings: Any) -> str:
    return describe_rewinding(mode, why_not, **{"seats": 2, "between": "same_user", "reused_seats": 0, **settings})


def test_an_operator_reads_how_seats_are_rewound_or_why_not() -> None:
    assert said("sealed") == "on (userfaultfd, sealed), 2 a dataset, between runs of one user"
    assert said("tracked", seats=1, between="any_user") == (
        "on (userfaultfd, not sealed), 1 a dataset, between runs of any users"
    )
    assert said("", "told why") == "off: told why"
    assert said("sealed", seats=0) == "off: rewound_seats is 0"
    assert said("sealed", reused_seats=1) == "off: reused_seats is 1, which keeps processes without restoring them"
