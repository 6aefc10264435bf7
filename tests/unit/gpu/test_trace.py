"""The trace of what a worker asks of the kernel, beyond what seats may."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.unit.docs.markdown import ROOT
from tests.waiting import WITHIN_S


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "tools" / "gpu" / "trace.py"), "--dry"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S)
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    if "OSError" in answer.get("error", "") or "PermissionError" in answer.get("error", ""):
        pytest.skip(f"this kernel notifies nobody: {answer['error']}")
    return answer


def test_work_goes_on_to_its_end(found: dict[str, Any]) -> None:
    assert found["phases"][-1] == "done"


def test_device_files_are_listed_with_the_phase_that_opens_them(found: dict[str, Any]) -> None:
    assert found["device_files"] == {"/dev/null": "a device"}


def test_requests_of_ioctl_are_listed_by_file(found: dict[str, Any]) -> None:
    assert found["ioctl_requests"]["/dev/null"] == {"0xc0de": 1}


def test_a_call_that_seats_may_not_make_is_listed_and_happens(found: dict[str, Any]) -> None:
    (phases,) = (
        phases for name, phases in found["not_in_policy"].items() if name in ("sched_setaffinity", "number 203")
    )
    assert [phase.split(",")[0] for phase in phases] == ["a call that is refused"]


def test_calls_that_seats_may_make_are_not_listed(found: dict[str, Any]) -> None:
    assert not {"open", "openat", "read", "write", "mmap", "futex", "ioctl"} & set(found["not_in_policy"])
