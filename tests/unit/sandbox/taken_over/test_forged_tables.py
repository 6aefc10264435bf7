"""A stored table that a parser forged harms only its own dataset."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from runtime.engines.base import DatasetSource
from runtime.errors import RuntimeFailure
from tests.unit.sandbox.conftest import EDGES, PAYLOAD, Rig, answer
from tests.unit.sandbox.taken_over.conftest import FINE, GOOD, upload


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _with(old: bytes, new: bytes, table: pa.Table = EDGES) -> bytes:
    content = _ipc(table)
    assert old in content
    return content.replace(old, new)


def _offsets(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little", signed=True) for value in values)


TEXTS = pa.table({"s": pa.array(["a", "bb", "ccc"], pa.large_string()), "d": pa.array(["x"] * 3, pa.large_string())})
LISTS = pa.table({"s": ["a"], "d": ["b"], "l": pa.array([[1, 2, 3]], pa.large_list(pa.int64()))})


def _spread(count: int) -> bytes:
    """Return a file of compressed zeros: small in the file, large in memory."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(bytes(8 * count))])], ["w"])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


FORGED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no-arrow": lambda: b"x" * 1000,
    "cut": lambda: _ipc(EDGES)[:-40],
    "footer-only": lambda: _ipc(EDGES)[-200:],
    "first-offset-outside": lambda: _with(_offsets(0, 1, 3, 6), _offsets(1 << 40, 1, 3, 6), TEXTS),
    "last-offset-outside": lambda: _with(_offsets(0, 1, 3, 6), _offsets(0, 1, 3, 1 << 40), TEXTS),
    "offset-amid-outside": lambda: _with(_offsets(0, 1, 3, 6), _offsets(0, 1 << 40, 3, 6), TEXTS),
    "negative-offset": lambda: _with(_offsets(0, 1, 3, 6), _offsets(0, -5, 3, 6), TEXTS),
    "list-outside": lambda: _with(_offsets(0, 3), _offsets(0, 1 << 30), LISTS),
    "no-utf8": lambda: _with(b"abbccc", b"\xff\xfe\xfd\xfc\xfb\xfa", TEXTS),
    "code-outside": lambda: _ipc(pa.table({"s": ["a"], "d": ["b"], "c": _codes(7)})),
    "negative-code": lambda: _ipc(pa.table({"s": ["a"], "d": ["b"], "c": _codes(-9)})),
    "length-of-a-batch": lambda: _with(_offsets(3), _offsets(1 << 50), EDGES),
    "spread": lambda: _spread(1 << 28),
    "two-batches": lambda: _ipc(pa.concat_tables([EDGES, EDGES])),
    "nulls-without-end": lambda: _ipc(pa.table({"n": pa.Array.from_buffers(pa.null(), 1 << 30, [None])})),
    "hollow-structs": lambda: _ipc(pa.table({"n": pa.StructArray.from_buffers(pa.struct([]), 1 << 30, [None])})),
}  # fmt: skip


def _codes(code: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([code], pa.int32()), pa.array(["q"]), safe=False)


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_table_hurts_nobody_but_its_own_dataset(taken: Rig, neighbour: DatasetSource, forged: str) -> None:
    """A taken-over parser writes what it likes; the outcome is a named error, or a run of its own dataset."""
    code = (
        "import os\ndef attack(request, given, out, *_):\n"
        "    while data := os.read(given, 2**20): os.write(out, data)\n"
        f"    return {FINE!r}\n"
    )
    content = FORGED[forged]()
    template = taken.template.pid
    try:
        made = upload(taken, code, content)
        source = DatasetSource(uuid4().hex, {"edges": made["id"]}, made["byte_count"], dict(PAYLOAD))
        for look in ("len(g._edges)", "g._edges.astype(str).sum().to_dict()", "g._edges.memory_usage(deep=True).sum()"):
            outcome = taken.run(
                source, f"def task(g): return int({look})" if "len" in look else f"def task(g): return {look}"
            )
            assert outcome.failure is None or outcome.failure.type.startswith(("Task", "Result"))
    except RuntimeFailure as failure:
        assert failure.type in ("InvalidTable", "DatasetUnreadable", "DatasetTooLarge", "RunInterrupted")
    assert answer(taken.run(neighbour, GOOD)) == 3
    assert taken.template.pid == template
