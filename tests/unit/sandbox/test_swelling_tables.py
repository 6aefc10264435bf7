"""Tables that are larger in memory than in their file: refused before anything has to make room for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.sandbox.conftest import Rig, answer
from tests.unit.sandbox.hostile_tables import GOOD, ipc, parquet, used


def _column(values: Any, count: int) -> bytes:
    return parquet(pa.table({"w": pa.concat_arrays([values] * (count // len(values)))}), compression="zstd")


SOME = np.arange(1 << 16)
MUCH: dict[str, Callable[[], bytes]] = {
    "truth with a gap": lambda: _column(pa.array([True] * 65_535 + [None]), 1 << 26),
    "bytes with a gap": lambda: _column(pa.array([*[1] * 65_535, None], pa.int8()), 1 << 25),
    "nulls": lambda: ipc(pa.table({"w": pa.nulls(1 << 27)})),
    "objects": lambda: _column(pa.StructArray.from_arrays([pa.array(SOME % 7, pa.int8())], ["a"]), 1 << 20),
    "lists": lambda: _column(pa.array([[1]] * (1 << 16), pa.list_(pa.int8())), 1 << 20),
    "numbers of many digits": lambda: _column(pa.array(SOME.tolist(), pa.decimal128(30, 2)), 1 << 21),
}


@pytest.fixture(scope="module")
def narrow(make_rig: Callable[..., Rig]) -> Rig:
    """Its cache has room for 96 MiB."""
    return make_rig(cache_bytes=96 << 20)


@pytest.mark.parametrize("name", MUCH)
def test_a_table_that_is_more_in_memory_than_may_be_is_refused_and_nothing_has_to_make_room(
    narrow: Rig, name: str
) -> None:
    beside = narrow.dataset()
    assert answer(narrow.run(beside, GOOD)) == 3
    loads = narrow.executor.cache.counts.loads
    came = used(narrow, MUCH[name](), "arrow" if name == "nulls" else "parquet")
    assert came in ("DatasetTooLarge", "DatasetUnreadable", "InvalidTable")  # C++ may end itself: then the second
    assert answer(narrow.run(beside, GOOD)) == 3
    assert narrow.executor.cache.counts.loads <= loads + 1


def test_a_large_table_that_is_mapped_as_it_is_fits(narrow: Rig) -> None:
    """Its pages are the file's: what is counted is what the cache is charged."""
    made = parquet(pa.table({"w": pa.array(np.zeros(8 << 20))}))
    assert used(narrow, made, "parquet") == "ok"
