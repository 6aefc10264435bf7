"""What becomes of a rewound seat and its keeper when something ends, or lies."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.unit.sandbox.conftest import Rig, answer
from tests.unit.sandbox.rewind.conftest import Rewinding, descriptors_of
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("needs_rewinding")

WHO = "import os\ndef task(g):\n    return os.getpid()"

IN_32_BIT_MODE = """
import ctypes, signal, struct
def task(g):
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    at = libc.mmap(None, 4096, 7, 0x62, -1, ctypes.c_long(0))  # executable, below 2 GiB
    jump = bytes.fromhex('6a2368') + struct.pack('<I', at + 64) + bytes.fromhex('48cb')  # push 0x23; push; retfq
    ctypes.memmove(at, jump, len(jump))
    ctypes.memmove(at + 64, bytes.fromhex('ebfe'), 2)  # jmp to itself
    signal.pause = ctypes.CFUNCTYPE(None)(at)
"""

ANSWERS_TWICE = """
import json, os, struct, threading, time
def task(g):
    told = json.dumps({'status': 'ok', 'kind': 'json', 'length': 1, 'run_s': 0, 'encode_s': 0, 'token': None}).encode()
    os.write(4, struct.pack('!I', len(told)) + told)
    return 1
"""


def _pids(rewinding: Rewinding) -> tuple[int, int]:
    seat = rewinding.seat or rewinding.make()
    assert seat._child is not None and seat._keeper is not None
    return seat._keeper._keeper.pid, seat._child.pid


def _ticks(pid: int) -> int:
    """Processor time that a process has used."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def _is_gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


def _witness_of(keeper: int, seat: int) -> int:
    with open(f"/proc/{keeper}/task/{keeper}/children", encoding="ascii") as file:
        (witness,) = set(map(int, file.read().split())) - {seat}
    return witness


def test_an_answer_that_the_run_did_not_ask_for_is_not_taken(rewinding: Rewinding) -> None:
    outcome = rewinding.run(ANSWERS_TWICE)
    assert outcome.cause == "TaskCrashed"
    assert rewinding.rewind() is not None
    assert isinstance(rewinding.answer(WHO), int)


@pytest.mark.parametrize("which", ["keeper", "seat", "witness"])
def test_whoever_is_killed_all_end_and_none_is_left(rewinding: Rewinding, which: str) -> None:
    rewinding.make()
    keeper, seat = _pids(rewinding)
    witness = _witness_of(keeper, seat)
    os.kill({"keeper": keeper, "seat": seat, "witness": witness}[which], signal.SIGKILL)
    if which == "witness":  # the seat can go on as long as no page is needed from it; it ends with the seat
        rewinding.end()
    eventually(lambda: all(map(_is_gone, (keeper, seat, witness))))
    rewinding.end()
    assert isinstance(rewinding.answer(WHO), int)


def test_a_seat_that_stops_itself_ends(rewinding: Rewinding) -> None:
    code = "import os, signal\ndef task(g):\n    os.kill(os.getpid(), signal.SIGSTOP)"
    outcome = rewinding.run(code, timeout_s=1)
    assert outcome.cause == "TaskTimeout"
    assert rewinding.rewind() is not None


def test_a_seat_whose_first_thread_has_ended_ends(rewinding: Rewinding) -> None:
    code = """
import ctypes, signal, threading, time
def task(g):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    signal.pause = lambda: ctypes.CDLL(None).syscall(60, 0)
"""
    rewinding.run(code)
    _, seat = _pids(rewinding)
    eventually(lambda: "State:\tZ" in Path(f"/proc/{seat}/status").read_text())
    assert rewinding.rewind() == "ended"


def test_a_seat_whose_registers_are_not_those_of_the_baseline_ends(rewinding: Rewinding) -> None:
    """The kernel would take the baseline's for those of 32-bit mode, and let code of the task go on."""
    rewinding.run(IN_32_BIT_MODE)
    _, seat = _pids(rewinding)
    began = _ticks(seat)
    eventually(lambda: _ticks(seat) > began + 5)  # it runs its loop
    assert rewinding.rewind() == "registers"


def test_a_crash_is_named_as_ever(rewinding: Rewinding) -> None:
    outcome = rewinding.run("import os, signal\ndef task(g):\n    os.kill(os.getpid(), signal.SIGSEGV)")
    assert outcome.failure is not None and "SIGSEGV" in str(outcome.failure.to_wire())
    rewinding.end()


def test_an_exception_leaves_a_seat_that_can_be_rewound(rewinding: Rewinding) -> None:
    pid = rewinding.answer(WHO)
    assert rewinding.run("def task(g): raise ValueError('no')").cause == "TaskError"
    assert rewinding.rewind() is None
    assert rewinding.answer(WHO) == pid


def test_what_was_printed_after_the_answer_is_nobodys(rewinding: Rewinding) -> None:
    code = "import os, signal\ndef task(g):\n    signal.pause = lambda: os.write(1, b'late')\n    return 1"
    rewinding.run(code)
    assert rewinding.rewind() is None
    assert rewinding.run("def task(g): print('mine')").stdout == "mine\n"
    assert rewinding.rewind() is None


def test_memory_and_descriptors_of_the_keeper_stay(rewinding: Rewinding) -> None:
    rewinding.make()
    keeper, _ = _pids(rewinding)
    for _ in range(3):
        rewinding.answer(WHO)
    before = descriptors_of(keeper)
    for _ in range(10):
        rewinding.answer(WHO)
    assert descriptors_of(keeper) == before


def test_a_user_who_comes_again_has_a_rewound_seat_and_another_user_has_not(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(rewound=1, spares=0)
    source = rig.dataset()

    def pid_of(user: str) -> int:
        pid: int = answer(rig.run(source, WHO, user=user))
        return pid

    seen: set[int] = set()

    def again() -> int | None:
        pid = pid_of("ada")
        if pid in seen:
            return pid
        seen.add(pid)
        return None

    kept = eventually(again)
    assert pid_of("bob") != kept
    eventually(lambda: pid_of("ada") == kept)
    with suppress(OSError):
        rig.close()


def test_a_task_can_open_the_other_end_of_nothing_but_its_output(rewinding: Rewinding) -> None:
    """A pipe has a name in ``/proc``, by which whoever has one end opens the other."""
    _, seat = _pids(rewinding)
    kinds = {int(fd): os.readlink(f"/proc/{seat}/fd/{fd}").partition(":")[0] for fd in os.listdir(f"/proc/{seat}/fd")}
    assert {fd for fd, kind in kinds.items() if kind == "pipe"} == {1, 2}
