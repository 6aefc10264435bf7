"""What people really do on a rewound seat, run after run."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.attacks.workloads import WORKLOADS
from tests.unit.sandbox.conftest import answer
from tests.unit.sandbox.rewind.conftest import Rewinding
from tests.unit.sandbox.test_workloads import ANSWERS, code_of, missing_library

LIMITS: dict[str, Any] = {"timeout_s": 60, "memory_bytes": 2 * 2**30, "cpus": 4}


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.__name__)
def test_work_leaves_a_seat_that_can_be_rewound(rewinding: Rewinding, workload: Callable[[Any], Any]) -> None:
    """Also where libraries keep threads for their next work."""
    if library := missing_library(workload):
        pytest.skip(f"{library} is not installed")
    rewinding.make(**LIMITS)
    for _ in range(2):
        result = answer(rewinding.run(code_of(workload), **LIMITS))
        assert result == ANSWERS.get(workload.__name__, result)
        assert rewinding.rewind() is None
