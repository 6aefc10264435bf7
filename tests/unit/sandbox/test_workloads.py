"""What people really do goes through the walls."""

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from runtime.engines.base import DatasetSource
from tests.attacks import workloads
from tests.unit.sandbox.conftest import Rig, answer

ANSWERS = {
    "event_loops": [["a line\n", 7]] * 3,
    "databases": [told for mode in ("delete", "wal", "truncate") for told in (mode, 3, "database is locked", 2, "ok")],
}
"""Of those whose answer says that something works which a task has in another way: wake-ups, locks."""

NEEDS = {
    "igraphs": "igraph", "networks": "networkx", "learning": "sklearn", "science": "scipy",
    "polars_frames": "polars", "duckdb_tables": "duckdb", "numba_functions": "numba",
}  # fmt: skip


def missing_library(workload: Callable[[Any], Any]) -> str | None:
    """The library that a workload needs, if it is not installed: it is no dependency of the server."""
    library = NEEDS.get(workload.__name__)
    return library if library is not None and find_spec(library) is None else None


def code_of(workload: Callable[[Any], Any]) -> str:
    """A workload as a task."""
    code = inspect.getsource(workload).replace(f"def {workload.__name__}(", "def task(", 1)
    return "from __future__ import annotations\nfrom typing import Any\n" + code


@pytest.mark.parametrize("workload", workloads.WORKLOADS, ids=lambda workload: workload.__name__)
def test_what_people_do_goes_through(rig: Rig, source: DatasetSource, workload: Callable[[Any], Any]) -> None:
    if library := missing_library(workload):
        pytest.skip(f"{library} is not installed")
    code = code_of(workload)
    result = answer(rig.run(source, code, timeout_s=60, memory_bytes=2 * 2**30))
    assert isinstance(result, list)
    assert result == ANSWERS.get(workload.__name__, result)
