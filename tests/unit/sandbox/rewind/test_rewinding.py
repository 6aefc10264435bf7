"""A seat that is rewound is a fresh one: whatever a run leaves is undone, or its seat ends."""

import signal
from typing import Any

import pytest

from runtime.sandbox.guest.rewind.orders import Orders
from runtime.sandbox.guest.rewind.state import ROWS, Fate, _waiting_signals
from runtime.sandbox.walls.rewinding.unfit import Unfit
from tests.unit.sandbox.conftest import answer
from tests.unit.sandbox.rewind.conftest import Rewinding
from tests.unit.sandbox.rewind.pollution import POLLUTIONS, PROBE, Pollution

RANDOM = """
import os, random, secrets, ssl, tempfile, uuid
import numpy as np
def task(g):
    return [random.random(), np.random.rand(), np.random.default_rng().random(), str(uuid.uuid4()),
            secrets.token_hex(4), next(tempfile._get_candidate_names()), ssl.RAND_bytes(8).hex(), os.urandom(8).hex()]
"""


@pytest.fixture(scope="session")
def fresh(rewinding: Rewinding) -> dict[str, Any]:
    """What the first run on a rewound seat sees."""
    rewinding.make()
    seen: dict[str, Any] = answer(rewinding.run(PROBE))
    assert rewinding.rewind() is None
    assert len(seen) >= 60
    return seen


def test_runs_share_a_process_and_nothing_else(rewinding: Rewinding) -> None:
    code = "import os, sys\ndef task(g):\n    n = getattr(sys, 'n', 0); sys.n = n + 1\n    return [os.getpid(), n]"
    first, again = rewinding.answer(code), rewinding.answer(code)
    assert again == first
    assert first[1] == 0


def test_the_second_run_sees_what_the_first_one_saw(rewinding: Rewinding, fresh: dict[str, Any]) -> None:
    assert rewinding.answer(PROBE) == fresh


def test_a_rewound_seat_looks_like_any_other(rewinding: Rewinding, fresh: dict[str, Any]) -> None:
    other = rewinding.fresh(PROBE)
    differing = {name for name in fresh if fresh[name] != other[name]}
    assert differing <= {"descriptors", "mappings", "heap", "limits", "status", "path cache", "result"}


@pytest.mark.parametrize("source", [PROBE, "def task(g", "# \ud800", "\0" * 9000])
def test_a_seat_for_which_a_text_was_compiled_looks_like_any_other(
    rewinding: Rewinding, fresh: dict[str, Any], source: str
) -> None:
    rewinding.make(source)
    seen = rewinding.answer(PROBE)
    assert {name for name in fresh if fresh[name] != seen[name]} <= {"limits", "mappings", "heap"}


@pytest.mark.parametrize("pollution", POLLUTIONS.values(), ids=POLLUTIONS)
def test_what_a_run_leaves_is_undone_or_ends_the_seat(
    rewinding: Rewinding, fresh: dict[str, Any], pollution: Pollution
) -> None:
    outcome = rewinding.run(pollution.code)
    failure = outcome.failure
    assert failure is None or failure.type == "ResultNotSerializable" or "ValueError: no" in str(failure)
    assert rewinding.rewind() == pollution.unfit
    if pollution.unfit is None:
        assert rewinding.answer(PROBE) == fresh


def test_each_row_of_the_table_has_a_task_or_a_call_that_is_refused() -> None:
    of_tasks = {pollution.row for pollution in POLLUTIONS.values()}
    assert of_tasks <= {row.name for row in ROWS}
    for row in ROWS:
        assert row.name in of_tasks or row.calls or row.fate is Fate.STAYS or row.name in ELSEWHERE, row.name


ELSEWHERE = {
    "peak of resident memory": "test_the_next_run_does_not_see_how_much_memory_was_used",
    "scheduling": "no call of the filter changes it",
    "restartable sequences": "the C library registers them once, and the kernel refuses a second registration",
}


def test_numbers_that_should_be_random_differ_from_run_to_run(rewinding: Rewinding) -> None:
    runs = [rewinding.answer(RANDOM) for _ in range(3)]
    for values in zip(*runs, strict=True):
        assert len(set(values)) == 3


def test_the_next_run_does_not_see_how_much_memory_was_used(rewinding: Rewinding) -> None:
    peak = "import resource\ndef task(g):\n    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    before = rewinding.answer(peak)
    rewinding.answer("def task(g):\n    return len(b'1' * 200_000_000)")
    assert rewinding.answer(peak) - before < 50_000


def test_what_a_task_reads_nothing_from_is_no_file_of_others(rewinding: Rewinding) -> None:
    """Flags of an open file are those of everybody who has it open."""
    rewinding.fresh("import os\ndef task(g): os.set_blocking(0, False)")
    assert rewinding.fresh("import os\ndef task(g): return os.get_blocking(0)") is True
    rewinding.make()
    assert rewinding.answer("import os\ndef task(g): return os.get_blocking(0)") is True


def test_a_stop_that_waits_for_the_seat_ends_it() -> None:
    _waiting_signals(Orders(), b"0", f"{1 << (signal.SIGUSR1 - 1):x}".encode())
    with pytest.raises(Unfit, match="stopped"):
        _waiting_signals(Orders(), b"0", f"{1 << (signal.SIGSTOP - 1):x}".encode())
