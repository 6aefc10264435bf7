"""Tables made to hurt their readers are refused by name, or used like any other.

No code in them runs, no process of the server ends, and the dataset beside them is not disturbed.
"""

import json
import pickle
import random
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from runtime.engines.base import DatasetSource
from runtime.errors import RuntimeFailure
from tests.unit.sandbox.conftest import EDGES, PAYLOAD, Rig, answer
from tests.unit.sandbox.hostile_tables import GOOD, LOOK, ipc, parquet, used


class Runs:
    """What unpickling would do: end the process without a word."""

    def __reduce__(self) -> Any:
        return __import__("os")._exit, (42,)


def named(*names: str) -> pa.Table:
    return pa.Table.from_arrays([pa.array([1, 2])] * len(names), names=list(names))


def with_a_name(name: str) -> bytes:
    return ipc(named(name, "s"))


def noted(note: Any, table: pa.Table = EDGES) -> bytes:
    """With a note for pandas, JSON or bytes that claim to be."""
    return ipc(
        table.replace_schema_metadata({b"pandas": note if isinstance(note, bytes) else json.dumps(note).encode()})
    )


def typed(numpy_type: str, **entry: Any) -> bytes:
    """With a note that a column has that type."""
    told = {"name": "w", "field_name": "w", "pandas_type": "float64", "numpy_type": numpy_type, "metadata": None}
    return noted({"index_columns": [], "column_indexes": [], "columns": [{**told, **entry}], "pandas_version": "3.0.0"})


def extension(name: bytes, parameters: bytes) -> bytes:
    field = pa.field(
        "w",
        pa.int64(),
        metadata={"ARROW:extension:name": name, "ARROW:extension:metadata": parameters},
    )
    return ipc(pa.Table.from_arrays([pa.array([1])], schema=pa.schema([field])))


def replaced(old: bytes, new: bytes, table: pa.Table) -> bytes:
    content = ipc(table)
    assert old in content
    return content.replace(old, new)


def nested(depth: int, container: Callable[[Any], Any]) -> bytes:
    given: Any = pa.int8()
    for _ in range(depth):
        given = container(given)
    return ipc(pa.Table.from_arrays([pa.nulls(2, given)], names=["w"]))


def levels(depth: int) -> Any:
    given: Any = 1
    for _ in range(depth):
        given = {"a": given}
    return given


def offsets(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little", signed=True) for value in values)


def codes(*values: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(values, pa.int32()), pa.array(["q", "r"]), safe=False)


PICKLED = pickle.dumps(Runs())
TEXTS = pa.table({"s": ["a", "bb", "ccc"]})
TYPES = (
    "i4,i4", "O", "S2000000000", "V2000000000", "category", "period[D]", "interval[int64]", "Sparse[int]",
    "int64[pyarrow]", "string[pyarrow]", "string", "list<item: int64>[pyarrow]",
    "decimal128(38, 2)[pyarrow]",
    "datetime64[ns, UTC]", "datetime64[ns, ../../../etc/passwd]", "datetime64[ns, dateutil//etc/passwd]",
    "{'names': ['a'], 'formats': ['O']}", "(" * 5000, "timestamp[ns, tz=/etc/passwd][pyarrow]", "Int64", "boolean",
    "%s%n%s", "__import__('os')._exit(42)", "", "\n\x1b[2J", "uint8" * 100_000,
)  # fmt: skip
NAMES = (
    "", " ", "\n2026 INFO forged\x1b[2J", "%s%n%(name)s{0.__class__}", "__class__", "_edges", "shape", "columns",
    "index", "T", "values", "__dict__", "__array__", "0", "\u202egnp.exe", "a" * 100_000, "__index_level_0__",
    "\0", "'\"<script>",
)  # fmt: skip

TABLES: dict[str, tuple[Callable[[], bytes], str]] = {
    **{f"type {kind[:40]!a}": (partial(typed, kind), "arrow") for kind in TYPES},
    **{f"name {name[:40]!a}": (partial(with_a_name, name), "arrow") for name in NAMES},
    "names that repeat": (lambda: ipc(named("s", "s")), "arrow"),
    "a name that is no text": (
        lambda: replaced(b"name_of_it", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe", named("name_of_it")),
        "arrow",
    ),
    "half of a surrogate pair": (lambda: replaced(b"abc", b"\xed\xa0\x80", named("abc")), "arrow"),
    "as many columns as may be": (lambda: ipc(named(*(f"c{number}" for number in range(16_384)))), "arrow"),
    "100,000 columns": (lambda: ipc(named(*(f"c{number}" for number in range(100_000)))), "arrow"),
    "no column": (lambda: ipc(pa.table({})), "arrow"),
    "no column, rows": (lambda: ipc(named("c").select([])), "arrow"),
    "no row": (lambda: ipc(EDGES.slice(0, 0)), "arrow"),
    "an extension that unpickles": (lambda: extension(b"arrow.py_extension_type", PICKLED), "arrow"),
    "an extension of pandas that unpickles": (lambda: extension(b"pandas.period", PICKLED), "arrow"),
    "an interval of pandas that lies": (
        lambda: extension(b"pandas.interval", b'{"subtype": "O", "closed": "x"}'),
        "arrow",
    ),
    "a period of an odd frequency": (lambda: extension(b"pandas.period", b'{"freq": "__import__"}'), "arrow"),
    "an opaque extension": (
        lambda: extension(b"arrow.opaque", b'{"type_name": "x", "vendor_name": "\\u0000"}'),
        "arrow",
    ),
    "a tensor": (lambda: extension(b"arrow.fixed_shape_tensor", b'{"shape": [1000000000, 1000000000]}'), "arrow"),
    "JSON": (lambda: extension(b"arrow.json", b""), "arrow"),
    "a note that is deep": (lambda: noted(b"[" * 100_000 + b"]" * 100_000), "arrow"),
    "a note nearly too deep": (lambda: typed("Int64", metadata=levels(900)), "arrow"),
    "a note that is no JSON": (lambda: noted(b"\xff\x00"), "arrow"),
    "a note of many columns": (
        lambda: noted({"columns": [{"name": f"c{n}", "pandas_type": "x", "numpy_type": "O"} for n in range(10**5)]}),
        "arrow",
    ),
    "a note of numbers": (
        lambda: noted({"columns": 7, "index_columns": {"kind": "range", "start": 0, "stop": 10**30, "step": 0}}),
        "arrow",
    ),
    "an index that is not there": (lambda: noted({"columns": [], "index_columns": ["nowhere", "w", None]}), "arrow"),
    "an index of the whole": (
        lambda: noted(
            {
                "columns": [],
                "index_columns": ["s", "d", "w"],
                "column_indexes": [{"pandas_type": "bytes", "numpy_type": "O", "name": "x"}],
            }
        ),
        "arrow",
    ),
    "attributes": (
        lambda: noted({"columns": [], "index_columns": [], "attributes": {"a": [1] * 1000, "__class__": 1}}),
        "arrow",
    ),
    "a category of nothing": (
        lambda: typed("category", pandas_type="categorical", metadata={"num_categories": -1, "ordered": "x"}),
        "arrow",
    ),
    "lists in lists": (lambda: nested(15, pa.list_), "arrow"),
    "lists too deep": (lambda: nested(40, pa.list_), "arrow"),
    "structs in structs": (lambda: nested(15, lambda inner: pa.struct([("a", inner)])), "arrow"),
    "a map of maps": (lambda: nested(5, lambda inner: pa.map_(pa.string(), inner)), "arrow"),
    "codes outside": (lambda: ipc(pa.table({"c": codes(0, 7, 1 << 30)})), "arrow"),
    "negative codes": (lambda: ipc(pa.table({"c": codes(0, -5)})), "arrow"),
    "offsets that go back": (lambda: replaced(offsets(0, 1, 3, 6), offsets(0, 3, 1, 6), TEXTS), "arrow"),
    "offsets outside": (lambda: replaced(offsets(0, 1, 3, 6), offsets(0, 1, 3, 1 << 30), TEXTS), "arrow"),
    "a negative offset": (lambda: replaced(offsets(0, 1, 3, 6), offsets(-4, 1, 3, 6), TEXTS), "arrow"),
    "text that is none": (lambda: replaced(b"abbccc", b"\xff\xfe\xfd\xfc\xfb\xfa", TEXTS), "arrow"),
    "a length that lies": (
        lambda: replaced((3).to_bytes(8, "little"), (1 << 40).to_bytes(8, "little"), EDGES),
        "arrow",
    ),
    "buffers that are compressed": (lambda: ipc(EDGES, compression="lz4"), "arrow"),
    "a zone that is a path": (
        lambda: ipc(pa.table({"t": pa.array([1], pa.timestamp("ns", tz="../../../../etc/passwd"))})),
        "arrow",
    ),
    "a zone that is an absolute path": (
        lambda: ipc(pa.table({"t": pa.array([1], pa.timestamp("ns", tz="dateutil//etc/passwd"))})),
        "arrow",
    ),
    "a zone without end": (lambda: ipc(pa.table({"t": pa.array([1], pa.timestamp("ns", tz="A/" * 100_000))})), "arrow"),
    "times beyond all calendars": (
        lambda: ipc(pa.table({"t": pa.array([1 << 62, -(1 << 62)], pa.timestamp("s"))})),
        "arrow",
    ),
    "dates beyond all calendars": (lambda: ipc(pa.table({"t": pa.array([1 << 30, -(1 << 30)], pa.date32())})), "arrow"),
    "a decimal of most digits": (lambda: ipc(pa.table({"t": pa.array([None], pa.decimal256(76, -70))})), "arrow"),
    "a union": (
        lambda: ipc(pa.table({"u": pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array([1, 2])])})),
        "arrow",
    ),
    "parquet: a schema that is none": (
        lambda: parquet(EDGES.replace_schema_metadata({"ARROW:schema": "QUJD" * 100, "pandas": "{"})),
        "parquet",
    ),
    "parquet: an extension that unpickles": (
        lambda: parquet(pa.ipc.open_stream(extension(b"arrow.py_extension_type", PICKLED)).read_all()),
        "parquet",
    ),
    "parquet: keys without end": (
        lambda: parquet(EDGES.replace_schema_metadata({f"k{n}": "v" * 100 for n in range(20_000)})),
        "parquet",
    ),
    "parquet: a note that is deep": (
        lambda: parquet(EDGES.replace_schema_metadata({"pandas": "[" * 100_000})),
        "parquet",
    ),
}


@pytest.fixture(scope="module")
def neighbour(rig: Rig) -> DatasetSource:
    return rig.dataset()


@pytest.mark.parametrize("name", TABLES)
def test_a_hostile_table_is_refused_by_name_or_used_like_any_other(
    rig: Rig, neighbour: DatasetSource, name: str
) -> None:
    make, file_type = TABLES[name]
    template = rig.template.pid
    came = used(rig, make(), file_type)
    assert came in ("ok", "InvalidTable", "TaskError"), came  # a task that cannot show it says so
    assert rig.template.pid == template
    assert answer(rig.run(neighbour, GOOD)) == 3


def test_bytes_that_rot_are_told_or_read(rig: Rig, neighbour: DatasetSource) -> None:
    """Bits of stored tables that turn, all over the file: an error by name, or a run that ends."""
    table = pa.table({
        "s": ["a", "bb", None], "d": pa.array(["x", "y", "x"]).dictionary_encode(), "w": [1.0, None, 3.0],
        "l": [[1], [], None], "t": pa.array([1, 2, 3], pa.timestamp("ms", tz="Europe/Berlin")), "b": [b"1", b"", None],
        "o": [{"a": 1}, None, {"a": 2}], "z": [True, None, False],
    })  # fmt: skip
    whole = rig.store.object_path(rig.dataset(table).tables["edges"]).read_bytes()
    chance = random.Random(7)
    template = rig.template.pid
    came = set()
    for _ in range(60):
        rotten = bytearray(whole)
        for _ in range(chance.choice((1, 1, 4))):
            rotten[chance.randrange(len(rotten))] ^= 1 << chance.randrange(8)
        path = rig.store.incoming()
        path.write_bytes(rotten)
        object_id = uuid4().hex
        rig.store.commit(path, object_id)
        source = DatasetSource(uuid4().hex, {"edges": object_id}, len(rotten), dict(PAYLOAD))
        try:
            came.add(rig.run(source, LOOK).cause)
        except RuntimeFailure as failure:
            came.add(failure.type)
    assert came <= {"ok", "TaskError", "TaskCrashed", "DatasetUnreadable", "DatasetTooLarge", "RunInterrupted",
                    "TaskMemoryExceeded", "ResultNotSerializable"}, came  # fmt: skip
    assert "ok" in came
    assert "DatasetUnreadable" in came
    assert rig.template.pid == template
    assert answer(rig.run(neighbour, GOOD)) == 3
