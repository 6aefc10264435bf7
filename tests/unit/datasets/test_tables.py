"""The canonical table: one batch, large strings, checked buffers, and no index."""

import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from runtime.datasets import tables
from runtime.datasets.conversion import to_series
from runtime.datasets.tables import TableInfo, canonical, describe, write_canonical
from runtime.errors import InvalidTable


def _written(table: pa.Table) -> tuple[int, Any]:
    with tempfile.TemporaryFile() as file:
        count = write_canonical(table, file.fileno())
        assert os.fstat(file.fileno()).st_size == count
        file.seek(0)
        return count, pa.ipc.open_file(io.BytesIO(file.read()))


def _column_type(array: Any, metadata: dict[str, str] | None = None) -> Any:
    return canonical(pa.table({"x": array}, metadata=metadata)).schema.field("x").type


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (pa.array(["a", None]), pa.large_string()),
        (pa.array(["a", None], pa.string_view()), pa.large_string()),
        (pa.array(["a"], pa.large_string()), pa.large_string()),
        (pa.array([b"a", None]), pa.large_binary()),
        (pa.array([b"a"], pa.binary_view()), pa.large_binary()),
        (pa.array([[1], None], pa.list_view(pa.int64())), pa.large_list(pa.int64())),
        (pa.array([1, 2], pa.int8()), pa.int8()),
        (pa.array([1.5], pa.float16()), pa.float16()),
        (pa.array([None, None]), pa.null()),
        (pa.array([[1], [2, 3]]), pa.list_(pa.int64())),
        (pa.array([{"a": 1}]), pa.struct([("a", pa.int64())])),
        (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"])), pa.large_string()),
        (pa.array([1], pa.timestamp("ns", "Europe/Berlin")), pa.timestamp("ns", "Europe/Berlin")),
    ],
    ids=str,
)
def test_types_are_stored_as_frames_need_them(given: Any, stored: pa.DataType) -> None:
    assert _column_type(given) == stored


_CATEGORICAL = {
    "pandas": json.dumps(
        {
            "index_columns": [],
            "columns": [
                {"name": "x", "field_name": "x", "pandas_type": "categorical", "numpy_type": "int32", "metadata": None}
            ],
        }
    )
}


@pytest.mark.parametrize(
    ("codes", "values", "metadata", "category"),
    [
        (pa.int32(), pa.string(), None, False),
        (pa.int32(), pa.string(), _CATEGORICAL, True),
        (pa.int8(), pa.string(), None, True),
        (pa.int32(), pa.large_string(), None, True),
    ],
    ids=["graphistry-js string", "pandas 2 with its note", "pandas 2 without note", "pandas 3 without note"],
)
def test_dictionaries_of_javascript_become_strings_and_those_of_pandas_stay_categories(
    codes: Any, values: Any, metadata: dict[str, str] | None, category: bool
) -> None:
    given = pa.array(["a", "b", None], pa.dictionary(codes, values))
    stored = _column_type(given, metadata)
    assert stored == (pa.dictionary(pa.int8(), pa.large_string()) if category else pa.large_string())


@pytest.mark.parametrize("values", [["a", "a"], ["a", None]], ids=["repeated", "null"])
def test_categories_that_pandas_would_refuse_become_plain_values(values: list[str | None]) -> None:
    given = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), pa.array(values, pa.large_string()))
    table = canonical(pa.table({"x": given}))
    assert table.column("x").to_pylist() == [values[0], values[1], values[0]]
    assert table.schema.field("x").type == pa.large_string()


@pytest.mark.parametrize("values", [[float("nan"), 1.0], [0.0, -0.0]], ids=["not a number", "two zeros"])
def test_floats_that_pandas_refuses_as_categories_become_plain_values(values: list[float]) -> None:
    given = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(values))
    assert repr(canonical(pa.table({"x": given})).column("x").to_pylist()) == repr(values)


def test_categories_keep_their_order_and_their_values_of_any_type() -> None:
    frame = pd.DataFrame({"x": pd.Categorical([3, 1, None], categories=[3, 1, 2], ordered=True)})
    stored = canonical(pa.Table.from_pandas(frame))
    pd.testing.assert_frame_equal(stored.to_pandas(), frame)


def test_chunks_with_dictionaries_of_their_own_are_unified() -> None:
    chunks: list[Any] = [
        pa.array(part, pa.dictionary(pa.int8(), pa.large_string())) for part in (["a", "b"], ["c", "a"])
    ]
    table = canonical(pa.Table.from_arrays([pa.chunked_array(chunks)], names=["x"]))
    assert table.column("x").num_chunks == 1
    assert table.column("x").to_pylist() == ["a", "b", "c", "a"]


def test_a_column_is_tried_with_its_own_note_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyarrow reads the whole note for each: 2,000 columns would take a minute."""
    seen: list[int] = []

    def spy(column: pa.Table) -> Any:
        seen.append(len((column.schema.pandas_metadata or {}).get("columns", ())))
        return to_series(column)

    monkeypatch.setattr(tables, "to_series", spy)
    canonical(pa.table({name: pa.array([1, None]) for name in "abc"}))
    assert seen == [1, 1, 1]


def test_many_chunks_become_one_batch() -> None:
    table = pa.concat_tables([pa.table({"a": [i], "b": [str(i)]}) for i in range(50)])
    _, reader = _written(canonical(table))
    assert reader.num_record_batches == 1
    assert reader.read_all().to_pydict() == table.to_pydict()


@pytest.mark.parametrize(
    "table",
    [pa.table({}), pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())})],
    ids=["no columns", "no rows"],
)
def test_an_empty_table_is_one_batch_too(table: pa.Table) -> None:
    _, reader = _written(canonical(table))
    assert reader.num_record_batches == 1
    assert reader.get_batch(0).num_rows == 0
    assert reader.schema.names == table.column_names


def test_what_is_written_is_not_compressed() -> None:
    count, _ = _written(canonical(pa.table({"a": [0] * 100_000})))
    assert count > 800_000


def test_a_sliced_table_is_written_without_the_rest() -> None:
    count, reader = _written(canonical(pa.table({"a": range(100_000)}).slice(5, 3)))
    assert reader.read_all().column("a").to_pylist() == [5, 6, 7]
    assert count < 2_000


def test_repeated_column_names_are_refused_by_name() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "b", "a"])
    with pytest.raises(InvalidTable, match="repeated: 'a'"):
        canonical(table)


_TWINS: Any = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])


def _int_intervals(values: list[Any]) -> Any:
    given: Any = pa.Table.from_pandas(pd.DataFrame({"x": pd.interval_range(0, 1)})).schema.field("x").type
    return pa.ExtensionArray.from_storage(given, pa.array(values, given.storage_type))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (
            pa.ListArray.from_arrays([0, 1], pa.array([b"0" * 16], pa.uuid())),
            "inside a nested type; send its values as text",
        ),
        (pa.ExtensionArray.from_storage(pa.opaque(pa.int8(), "a", "b"), pa.array([1], pa.int8())), "send it as int8"),
        (pa.array([1], pa.time64("ns")), "non-zero nanoseconds; round the times to microseconds"),
        (_int_intervals([None]), "intervals of integers and nulls"),
        (pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]), "union"),
        (pa.array([99999999], pa.date32()), "pandas cannot represent column 'x'"),
        (pa.array([{"d": 99999999}], pa.struct([("d", pa.date32())])), "pandas cannot represent column 'x'"),
        (pa.array([1], pa.timestamp("s", "Nowhere/Land")), "pandas cannot represent column 'x'"),
        (pa.array([10**7], pa.date32()), "years 1 to 9999: send others as timestamps of seconds, or as text"),
        (pa.array([10**12 + 1]).view(pa.date64()), "is date64 and has times of day; send it as a timestamp"),
        (_TWINS, "is a struct with several fields 'a'"),
        (pa.array([[]], pa.list_(_TWINS.type)), "is a struct with several fields 'a'"),
    ],
    ids=[
        *("nested extension", "extension", "nanoseconds", "intervals", "union", "date", "nested date", "time zone"),
        *("far date", "time of day", "twins", "twins in a list"),
    ],
)
def test_types_and_values_that_no_frame_can_hold_are_refused(array: Any, words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        canonical(pa.table({"x": array}))


def _forged(kind: str) -> Any:
    if kind == "offset beyond the data":
        buffers = [None, pa.array([0, 1, 9, 2], pa.int32()).buffers()[1], pa.py_buffer(b"ab")]
        return pa.Array.from_buffers(pa.string(), 3, buffers)
    if kind == "text that is not UTF-8":
        buffers = [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xfe")]
        return pa.Array.from_buffers(pa.string(), 1, buffers)
    codes = pa.array([0, 7], pa.int8())
    return pa.DictionaryArray.from_arrays(codes, pa.array(["a"], pa.large_string()), safe=False)


@pytest.mark.parametrize("kind", ["offset beyond the data", "text that is not UTF-8", "code without a category"])
def test_forged_buffers_are_refused(kind: str) -> None:
    with pytest.raises(InvalidTable, match="column 'x' is damaged"):
        canonical(pa.table({"x": _forged(kind)}))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2]}, index=[5, 6]),
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "x"), (2, "y")])),
        pd.DataFrame({"a": [1, 2]}),
    ],
    ids=["an index", "a deep index", "a range"],
)
def test_an_index_without_name_is_dropped(frame: pd.DataFrame) -> None:
    stored = canonical(pa.Table.from_pandas(frame))
    pd.testing.assert_frame_equal(stored.to_pandas(), frame.reset_index(drop=True))


def test_a_named_index_becomes_a_column() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="id"))
    stored = canonical(pa.Table.from_pandas(frame)).to_pandas()
    pd.testing.assert_frame_equal(stored, frame.reset_index()[["a", "id"]])


@pytest.mark.parametrize("numbers", [range(10, 16, 2), range(3, 0, -1), range(-(2**63), -(2**63) + 3)], ids=str)
def test_a_named_index_of_evenly_spaced_numbers_becomes_a_column(numbers: range) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=pd.RangeIndex(numbers, name="id"))
    stored = canonical(pa.Table.from_pandas(frame)).to_pandas()
    pd.testing.assert_frame_equal(stored, frame.reset_index()[["a", "id"]])


def test_an_index_that_is_a_column_too_is_there_once() -> None:
    frame = pd.DataFrame({"id": [1, 2, 3]}).set_index("id", drop=False)
    assert canonical(pa.Table.from_pandas(frame)).to_pydict() == {"id": [1, 2, 3]}


@pytest.mark.parametrize("index", [pd.RangeIndex(3, 6, name="id"), pd.Index(["x", "y", "z"], name="id")], ids=str)
def test_an_index_with_the_name_of_another_column_gets_a_number(index: pd.Index) -> None:
    frame = pd.DataFrame({"id": [7, 8, 9]}, index=index)
    stored = canonical(pa.Table.from_pandas(frame)).to_pydict()
    assert stored == {"id": [7, 8, 9], "id.1": index.tolist()}


def test_levels_with_names_become_columns() -> None:
    index = pd.MultiIndex.from_tuples([(1, "x", 0), (2, "y", 0)], names=["id", "v", None])
    stored = canonical(pa.Table.from_pandas(pd.DataFrame({"v": [1, 2]}, index=index))).to_pydict()
    assert stored == {"v": [1, 2], "id": [1, 2], "v.1": ["x", "y"]}


@pytest.mark.parametrize(
    "described",
    [
        {"kind": "range", "name": "id", "start": 0, "stop": 3, "step": 1},
        {"kind": "range", "name": "id", "start": 0, "stop": 2, "step": 0},
        {"kind": "range", "name": "id", "start": 0, "stop": 2**80, "step": 2**79},
        {"kind": "range", "name": "id", "start": 0.0, "stop": 2.0, "step": 1.0},
        {"kind": "range", "name": ["id"], "start": 0, "stop": 2, "step": 1},
        {"kind": "list", "name": "id", "start": 0, "stop": 2, "step": 1},
    ],
)
def test_a_description_of_an_index_that_does_not_fit_is_ignored(described: dict[str, Any]) -> None:
    note = json.dumps({"index_columns": [described], "columns": []})
    assert canonical(pa.table({"a": [1, 5]}, metadata={"pandas": note})).to_pydict() == {"a": [1, 5]}


@pytest.mark.parametrize("dtype", ["float64", "object", "Float64", "int64", "Int8"])
def test_no_note_makes_floats_of_integers_with_nulls(dtype: str) -> None:
    entry = {"field_name": "a", "pandas_type": "int64", "numpy_type": dtype}
    note = json.dumps({"index_columns": [], "columns": [entry]})
    frame = canonical(pa.table({"a": [2**53 + 1, None]}, metadata={"pandas": note})).to_pandas()
    assert str(frame.dtypes["a"]) == "Int64"
    assert frame["a"].tolist() == [2**53 + 1, pd.NA]


def test_column_names_are_always_text() -> None:
    stored = canonical(pa.Table.from_pandas(pd.DataFrame({0: [1], 1: [2]})))
    assert list(stored.to_pandas().columns) == ["0", "1"]


@pytest.mark.parametrize("name", ["", " ", "a.b", "é", "x" * 5000], ids=repr)
def test_odd_column_names_are_kept(name: str) -> None:
    assert list(canonical(pa.table({name: [1]})).to_pandas().columns) == [name]


@pytest.mark.parametrize(
    "note",
    [
        "not json",
        "[]",
        '{"columns": 7, "index_columns": {"a": 1}}',
        '{"columns": [null, {}, {"field_name": "a", "pandas_type": 1, "numpy_type": "x"}]}',
        '{"columns": [{"field_name": "a", "pandas_type": "int64", "numpy_type": "no such dtype"}]}',
        '{"columns": [{"field_name": "a", "pandas_type": "int64", "numpy_type": "interval[int64]"}]}',
        '{"columns": [{"field_name": "a", "pandas_type": "datetimetz", "numpy_type": "boolean"}]}',
        "[" * 100_000,
    ],
)
def test_a_note_to_pandas_that_makes_no_sense_is_dropped(note: str) -> None:
    frame = canonical(pa.table({"a": [1, 5]}, metadata={"pandas": note})).to_pandas()
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [1, 5]}))


def test_describe_names_dtypes_as_the_frame_has_them() -> None:
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "nullable": pd.array([1, None], dtype="Int64"),
            "f": [1.5, None],
            "s": ["a", None],
            "b": [True, False],
            "t": pd.date_range("2020", periods=2, tz="UTC"),
            "c": pd.Categorical(["a", "b"]),
        }
    )
    stored = canonical(pa.Table.from_pandas(frame))
    assert describe(stored) == TableInfo(2, 7, {str(name): str(dtype) for name, dtype in frame.dtypes.items()})


@pytest.mark.parametrize(("values", "dtype"), [([1, None], "Int64"), ([True, None], "object")])
def test_describe_knows_what_nulls_do_to_a_dtype(values: list[object], dtype: str) -> None:
    assert describe(canonical(pa.table({"a": values}))).dtypes == {"a": dtype}


def test_a_single_batch_is_rewritten_from_its_map_without_memory_of_its_own(
    tmp_path: Path, arrow_file: Callable[..., bytes]
) -> None:
    path = tmp_path / "upload"
    path.write_bytes(arrow_file(pa.table({"a": range(2_000_000), "s": pa.array(["abcdefgh"] * 2_000_000)})))
    before = pa.total_allocated_bytes()
    pool: Any = pa.default_memory_pool()
    peak_before = pool.max_memory()
    with pa.memory_map(str(path)) as source, tempfile.TemporaryFile() as out:
        table = canonical(pa.ipc.open_file(source).read_all())
        # 16 MB of 64-bit offsets for the strings are all that is new.
        assert pa.total_allocated_bytes() - before < 20_000_000
        write_canonical(table, out.fileno())
    assert pool.max_memory() - peak_before < 40_000_000
