"""Readers of uploaded bytes: what each format gives, and what is said of bytes that are none of it."""

import datetime
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.datasets.formats import READERS, check_declared
from runtime.errors import InvalidTable

Upload = Callable[..., Any]

TABLE = pa.table({"src": ["a", "b", None], "dst": ["b", "c", "d"], "w": [1.5, None, 3.0], "n": [1, 2, 3]})


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=2)
    return sink.getvalue()


def _frame(stored: Any) -> pd.DataFrame:
    frame: pd.DataFrame = stored.table.to_pandas()
    return frame


@pytest.mark.parametrize("file_type", READERS)
def test_a_known_type_can_be_declared(file_type: str) -> None:
    check_declared(file_type)


@pytest.mark.parametrize(
    ("file_type", "compression", "words"),
    [
        ("orc", "", "file_type orc is not supported yet"),
        ("xlsx", "", "file_type xlsx is not supported yet"),
        ("xls", "", "file_type xls is not supported yet"),
        ("tiff", "", "file_type 'tiff' is unknown; use one of arrow, csv"),
        ("", "", "file_type '' is unknown"),
        ("csv", "gzip", "file_compression gzip is not supported yet"),
        ("csv", "rar", "file_compression 'rar' is unknown"),
    ],
)
def test_what_cannot_be_read_is_said_honestly(file_type: str, compression: str, words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        check_declared(file_type, compression)


@pytest.mark.parametrize("file_type", READERS)
def test_an_unknown_option_is_named(upload: Upload, file_type: str) -> None:
    with pytest.raises(InvalidTable, match=f"'colour' is not an option of file_type {file_type}"):
        upload(b"x", file_type, {"colour": "red"})


@pytest.mark.parametrize("file_type", READERS)
def test_an_empty_body_is_called_empty(upload: Upload, file_type: str) -> None:
    with pytest.raises(InvalidTable, match="The body is empty"):
        upload(b"", file_type)


def test_arrow_files_and_streams_and_parquet_give_the_same(upload: Upload, arrow_file: Callable[..., bytes]) -> None:
    for content, file_type in (
        (arrow_file(TABLE), "arrow"),
        (arrow_file(TABLE, compression="lz4"), "arrow"),
        (_stream(TABLE), "arrow"),
        (_parquet(TABLE), "parquet"),
    ):
        assert upload(content, file_type).table.to_pydict() == TABLE.to_pydict()


def test_a_stream_of_many_batches_with_growing_dictionaries_is_read(upload: Upload) -> None:
    parts = [pa.table({"s": pa.array(values).dictionary_encode()}) for values in (["a"], ["b", "a"], ["c"])]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, parts[0].schema) as writer:
        for part in parts:
            writer.write_table(part)
    stored = upload(bytes(sink.getvalue()))
    assert stored.table.column("s").to_pylist() == ["a", "b", "a", "c"]
    assert stored.report["dtypes"] == {"s": "str"}


def test_parquet_keeps_nullable_integers_and_categories(upload: Upload) -> None:
    frame = pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "c": pd.Categorical(["a", "b"])})
    pd.testing.assert_frame_equal(_frame(upload(_parquet(pa.Table.from_pandas(frame)), "parquet")), frame)


@pytest.mark.parametrize(
    ("make", "file_type", "words"),
    [
        (lambda _: b"hello, world\n", "arrow", "not Arrow IPC"),
        (lambda _: _parquet(TABLE), "arrow", "The body is a Parquet file, not Arrow IPC"),
        (lambda encode: encode(TABLE)[:-50], "arrow", "truncated or damaged"),
        (lambda encode: encode(TABLE)[:9], "arrow", "truncated or damaged"),
        (lambda _: _stream(TABLE)[:-60], "arrow", "truncated"),
        (lambda _: b"hello, world\n", "parquet", "something else, not a Parquet file"),
        (lambda encode: encode(TABLE), "parquet", "The body is an Arrow file, not a Parquet file"),
        (lambda _: _parquet(TABLE)[:-50], "parquet", "truncated or damaged"),
        (lambda _: b"PAR1", "parquet", "truncated or damaged"),
        (lambda _: _parquet(TABLE), "csv", "The body is a Parquet file, not CSV"),
        (lambda _: b"\x1f\x8b\x08" + bytes(20), "csv", "gzip data, not CSV"),
        (lambda _: b"a,b\n\0,1\n", "csv", "contains zero bytes"),
        (lambda encode: encode(TABLE), "json", "an Arrow file, not JSON"),
    ],
)
def test_wrong_and_truncated_bytes_are_told_apart(
    upload: Upload,
    arrow_file: Callable[..., bytes],
    make: Callable[[Callable[..., bytes]], bytes],
    file_type: str,
    words: str,
) -> None:
    with pytest.raises(InvalidTable, match=words) as caught:
        upload(make(arrow_file), file_type)
    assert caught.value.fields["errors"] == [caught.value.message]


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_are_refused_or_read_but_never_raise_otherwise(
    upload: Upload, arrow_file: Callable[..., bytes], seed: int
) -> None:
    random = np.random.default_rng(seed)
    encode = [arrow_file, _stream, _parquet][seed % 3]
    content = bytearray(encode(TABLE))
    for position in random.integers(0, len(content), 3):
        content[position] = random.integers(0, 256)
    try:
        upload(bytes(content), "parquet" if encode is _parquet else "arrow")
    except InvalidTable as error:
        assert error.message


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "2"], "int64", [1, 2]),
        (["007", "2"], "int64", [7, 2]),
        (["1", ""], "float64", [1.0, None]),
        (["1", "2.5"], "float64", [1.0, 2.5]),
        (["true", "FALSE"], "bool", [True, False]),
        (["yes", "no"], "str", ["yes", "no"]),
        (["1", "x"], "str", ["1", "x"]),
        (["a", "NA"], "str", ["a", None]),
        (["2024-01-01", "2024-01-02"], "str", ["2024-01-01", "2024-01-02"]),
        (["2024-01-01T00:00:00Z", ""], "str", ["2024-01-01T00:00:00Z", None]),
        (["12:30", "13:00"], "str", ["12:30", "13:00"]),
        (["12345678901234567890123", "1"], "str", ["12345678901234567890123", "1"]),
        (["9223372036854775808", "1"], "str", ["9223372036854775808", "1"]),
        (["1e300", "1"], "float64", [1e300, 1.0]),
        (['"a\nb"', '"c""d"'], "str", ["a\nb", 'c"d']),
        (["", ""], "object", [None, None]),
    ],
)
def test_csv_types_follow_the_written_rules(upload: Upload, cells: list[str], dtype: str, values: list[object]) -> None:
    stored = upload(("x,y\n" + "".join(f"{cell},1\n" for cell in cells)).encode(), "csv")
    assert stored.report["dtypes"]["x"] == dtype
    assert stored.table.column("x").to_pylist() == values


def test_csv_types_are_decided_by_the_last_row_as_by_the_first(upload: Upload) -> None:
    lines = ["1,2020-01-01"] * 300_000 + ["x,?"]
    stored = upload(("a,b\n" + "\n".join(lines)).encode(), "csv")
    assert stored.report["dtypes"] == {"a": "str", "b": "str"}
    assert stored.table.column("a").to_pylist()[0] == "1"


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("a;b\n1;2\n", {"sep": ";"}, {"a": [1], "b": [2]}),
        ("a\tb\n1\t2\n", {"sep": "\\t"}, {"a": [1], "b": [2]}),
        ("a,b\n'x,y',2\n", {"quotechar": "'"}, {"a": ["x,y"], "b": [2]}),
        ("1,2\n3,4\n", {"header": None}, {"0": [1, 3], "1": [2, 4]}),
        ("1,2\n3,4\n", {"header": "none"}, {"0": [1, 3], "1": [2, 4]}),
        ("1,2\n", {"names": ["s", "d"]}, {"s": [1], "d": [2]}),
        ("1,2\n", {"names": "s,d"}, {"s": [1], "d": [2]}),
        ("1,2\n", {"names": '["s", "d"]', "header": "null"}, {"s": [1], "d": [2]}),
        ("a,b\n1,2\n", {"names": ["s", "d"], "header": 0}, {"s": [1], "d": [2]}),
        ("a,b\n1,2\n", {"names": ["s", "d"], "header": "0"}, {"s": [1], "d": [2]}),
        ("a,b\n1,2\n", {"usecols": ["b"]}, {"b": [2]}),
        ("a,b\n1,2\n", {"usecols": "b"}, {"b": [2]}),
        ("a,b\n1,2\n", {"usecols": [0]}, {"a": [1]}),
        ("a,b\n007,2\n", {"dtype": {"a": "str"}}, {"a": ["007"], "b": [2]}),
        ("a,b\n007,2\n", {"dtype": '{"a": "str"}'}, {"a": ["007"], "b": [2]}),
        ("a,b\n007,2\n", {"dtype": "str"}, {"a": ["007"], "b": ["2"]}),
        ("a,b\n1,2\n", {"dtype": {"a": "float32"}}, {"a": [1.0], "b": [2]}),
        ("a,b\nx,2\n", {"dtype": {"a": "category"}}, {"a": ["x"], "b": [2]}),
        ("a,b\n1,2\n", {"compression": "infer"}, {"a": [1], "b": [2]}),
        ("a,b\n1,2\n\n", {"skip_blank_lines": "true"}, {"a": [1], "b": [2]}),
        ("junk\na,b\n1,2\n", {"skiprows": 1}, {"a": [1], "b": [2]}),
        ("junk\na,b\n1,2\n", {"skiprows": "1"}, {"a": [1], "b": [2]}),
        ("a,b\n1,2\nend,\n", {"skipfooter": 1}, {"a": [1], "b": [2]}),
        ("a,b\n1,2\n3,4\n", {"nrows": 1}, {"a": [1], "b": [2]}),
        ("a,b\n1, x\n", {"skipinitialspace": True}, {"a": [1], "b": ["x"]}),
        ('a,b\n"1,5","2"\n', {"decimal": ","}, {"a": [1.5], "b": [2]}),
        ('a,b\n"1,500",2\n', {"thousands": ","}, {"a": [1500], "b": [2]}),
        ("a,b\nja,2\n", {"true_values": ["ja"], "false_values": ["nein"]}, {"a": [True], "b": [2]}),
        ("a,b~1,2~", {"lineterminator": "~"}, {"a": [1], "b": [2]}),
        ("a,b\n'1',2\n", {"quoting": 3}, {"a": ["'1'"], "b": [2]}),
        ("a||b\n1||2\n", {"sep": r"\|\|"}, {"a": [1], "b": [2]}),
        ("a,b\nNA,2\n", {"skiprows": 0}, {"a": [None], "b": [2]}),
        ("a,a,b,\n1,2,3,4\n", {}, {"a": [1], "a.1": [2], "b": [3], "Unnamed: 3": [4]}),
        ("\ufeffa,b\n1,2\n", {}, {"a": [1], "b": [2]}),
        ("a,b\r\n1,2\r\n", {}, {"a": [1], "b": [2]}),
        ("a,b\n", {}, {"a": [], "b": []}),
    ],
)
def test_csv_options(upload: Upload, content: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    stored = upload(content.encode(), "csv", options)
    frame = _frame(stored).astype(object)
    assert frame.where(frame.notna(), None).to_dict(orient="list") == expected


def test_csv_in_another_encoding(upload: Upload) -> None:
    for options in ({"encoding": "latin-1"}, {"encoding": "latin-1", "nrows": 5}):
        stored = upload("a,b\né,1\n".encode("latin-1"), "csv", options)
        assert stored.table.column("a").to_pylist() == ["é"]


@pytest.mark.parametrize("more", [{}, {"nrows": 10}], ids=["arrow", "pandas"])
def test_csv_dates_are_read_where_asked(upload: Upload, more: dict[str, Any]) -> None:
    options = {"parse_dates": ["t"], **more}
    stored = upload(b"t,u\n2024-01-02 03:04:05,2024-01-01\n,x\n", "csv", options)
    assert stored.report["dtypes"]["t"].startswith("datetime64[")
    assert stored.table.column("t").to_pylist() == [datetime.datetime(2024, 1, 2, 3, 4, 5), None]
    assert stored.table.column("u").to_pylist() == ["2024-01-01", "x"]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"a,b\n1,2,3\n", {}, "Expected 2 columns, got 3"),
        (b"a,b\n1\n", {}, "Expected 2 columns, got 1"),
        (b"a,b\n1,2\n1,2,3\n", {"nrows": 10}, "not a readable CSV"),
        (b"a,b\n1,2,3\n4,5,6\n", {"nrows": 10}, "not a readable CSV"),
        (b"\n\n", {}, "not a readable CSV"),
        (b"a,b\n\xff\xfe,1\n", {}, "Column 'a' is not valid UTF-8"),
        (b"a,b\n\xff\xfe,1\n", {"nrows": 5}, "not a readable CSV"),
        (b"a,b\n1,2\n", {"encoding": "klingon"}, "klingon"),
        (b"a,b\n1,2\n", {"encoding": "klingon", "nrows": 1}, "klingon"),
        (b"a,b\nx,2\n", {"dtype": {"a": "int64"}}, "int64"),
        (b"a,b\nx,2\n", {"dtype": {"a": "int64"}, "nrows": 3}, "not a readable CSV"),
        (b"a,b\n1,2\n", {"dtype": {"z": "str"}}, "names column 'z'"),
        (b"a,b\n1,2\n", {"dtype": {"a": "complex"}}, "dtype 'complex' is unknown"),
        (b"a,b\n1,2\n", {"dtype": [1]}, "Option 'dtype'"),
        (b"a,b\n1,2\n", {"usecols": ["z"]}, "z"),
        (b"a,b\n1,2\n", {"parse_dates": ["z"]}, "names column 'z'"),
        (b"a,b\nx,2\n", {"parse_dates": ["a"]}, "Column 'a' cannot be read as dates"),
        (b"a,b\n1,2\n", {"names": ["x"], "header": 0}, "1 names for 2 columns"),
        (b"a,b\n1,2\n", {"sep": 7}, "Option 'sep' must be text"),
        (b"a,b\n1,2\n", {"quotechar": "''"}, "Option 'quotechar' must be one character"),
        (b"a,b\n1,2\n", {"nrows": "many"}, "Option 'nrows' must be a whole number"),
        (b"a,b\n1,2\n", {"doublequote": "perhaps"}, "Option 'doublequote' must be true or false"),
        (b"a,b\n1,2\n", {"usecols": "[1"}, "Option 'usecols' is not JSON"),
        (b"a,b\n1,2\n", {"compression": "gzip"}, "compression 'gzip' is not supported yet"),
        (b"a,b\n1,2\n", {"byte_range": [0, 5]}, "'byte_range' is not an option"),
        (b"a,a\n1,2\n", {"mangle_dupe_cols": False}, "repeated: 'a'"),
    ],
)
def test_csv_that_cannot_be_read_as_asked(upload: Upload, content: bytes, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(content, "csv", options)


@pytest.mark.parametrize(
    ("document", "options"),
    [
        ([{"src": "a", "w": 1}, {"src": "b", "w": 2}], {}),
        ([{"src": "a", "w": 1}, {"src": "b", "w": 2}], {"orient": "records"}),
        ([{"src": "a", "w": 1}, {"src": "b", "w": 2}], {"orient": ""}),
        ({"src": ["a", "b"], "w": [1, 2]}, {}),
        ({"src": ["a", "b"], "w": [1, 2]}, {"orient": "columnar"}),
        ({"src": ["a", "b"], "w": [1, 2], "agent_name": "x", "agent_version": "5"}, {}),
        ({"src": {"0": "a", "1": "b"}, "w": {"0": 1, "1": 2}}, {}),
        ({"src": {"0": "a", "1": "b"}, "w": {"0": 1, "1": 2}}, {"orient": "columns"}),
        ({"columns": ["src", "w"], "index": [0, 1], "data": [["a", 1], ["b", 2]]}, {"orient": "split"}),
        ({"0": {"src": "a", "w": 1}, "1": {"src": "b", "w": 2}}, {"orient": "index"}),
        (json.loads(pd.DataFrame(ROWS).to_json(orient="table")), {"orient": "table"}),
    ],
)
def test_json_shapes_give_the_same_table(upload: Upload, document: Any, options: dict[str, Any]) -> None:
    assert upload(json.dumps(document).encode(), "json", options).table.to_pydict() == ROWS


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ('{"src": "a", "w": 1}\n{"src": "b", "w": 2}\n', {}),
        ('{"src": "a", "w": 1}\r\n\r\n{"src": "b", "w": 2}', {}),
        ('{"src": "a", "w": 1}\n{"src": "b", "w": 2}\n', {"lines": "true"}),
        ('\ufeff{"src": "a", "w": 1}\n{"src": "b", "w": 2}\n', {"lines": True}),
        ('\ufeff[{"src": "a", "w": 1}, {"src": "b", "w": 2}]', {}),
    ],
)
def test_json_lines_and_byte_order_marks(upload: Upload, content: str, options: dict[str, Any]) -> None:
    assert upload(content.encode(), "json", options).table.to_pydict() == ROWS


@pytest.mark.parametrize(
    ("values", "dtype", "stored"),
    [
        ([1, None], "float64", [1, None]),
        ([1, 2.5], "float64", [1.0, 2.5]),
        ([True, False], "bool", [True, False]),
        ([1, "a", None, True, 2.5], "str", ["1", "a", None, "true", "2.5"]),
        ([2**63, 1], "uint64", [2**63, 1]),
        ([2**63, -1], "str", [str(2**63), "-1"]),
        (["2024-01-01"], "str", ["2024-01-01"]),
        ([[1, 2], [3]], "object", [[1, 2], [3]]),
        ([{"a": 1}, {"a": 2}], "object", [{"a": 1}, {"a": 2}]),
        ([{"a": 1}, "x"], "str", ['{"a": 1}', "x"]),
        ([None, None], "object", [None, None]),
    ],
)
def test_json_types_follow_the_written_rules(upload: Upload, values: list[Any], dtype: str, stored: list[Any]) -> None:
    answer = upload(json.dumps([{"x": value} for value in values]).encode(), "json")
    assert answer.report["dtypes"] == {"x": dtype}
    assert answer.table.column("x").to_pylist() == stored


def test_json_rows_that_lack_a_key_have_null_there(upload: Upload) -> None:
    stored = upload(b'[{"a": 1}, {"b": "x"}]', "json")
    assert stored.table.to_pydict() == {"a": [1, None], "b": [None, "x"]}


def test_json_s_not_a_number_is_read(upload: Upload) -> None:
    values = upload(b'{"a": [NaN, Infinity, 1]}', "json").table.column("a").to_pylist()
    assert np.isnan(values[0])
    assert values[1:] == [np.inf, 1.0]


def test_json_types_can_be_asked_for(upload: Upload) -> None:
    stored = upload(b'[{"id": 7, "c": "x"}]', "json", {"dtype": {"id": "str", "c": "category"}})
    assert stored.report["dtypes"] == {"id": "str", "c": "category"}
    assert stored.table.column("id").to_pylist() == ["7"]


def test_arrays_of_arrays_get_numbers_for_names(upload: Upload) -> None:
    assert upload(b'[["a", 1], ["b", 2]]', "json").table.to_pydict() == {"0": ["a", "b"], "1": [1, 2]}


@pytest.mark.parametrize("content", [b"[]", b"{}"])
def test_json_without_rows_is_an_empty_table(upload: Upload, content: bytes) -> None:
    assert upload(content, "json").report["row_count"] == 0


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"hello", {}, "not JSON"),
        (b'[{"a": 1}', {}, "not JSON"),
        (b'"text"', {}, "array of rows or an object"),
        (b"7", {}, "array of rows or an object"),
        (b'{"a": [1, 2], "b": [1]}', {}, "differ in length: 'a' 2, 'b' 1"),
        (b'{"a": [1, 2], "b": 5}', {}, "Column 'b' is one value"),
        (b'{"a": {"0": 1}, "b": [1]}', {}, "Column 'b' is an array"),
        (b'[{"a": 1}, 5]', {}, "Row 1 is not a JSON object"),
        (b"[[1, 2], [1]]", {}, "Row 1 is not an array of 2 values"),
        (b'{"a": 1}\n{"a": \n', {}, "Line 2 is not JSON"),
        (b'{"a": 1}\n[1]\n', {"lines": True}, "Line 2 is not a JSON object"),
        (b'{"a": 1}', {"orient": "sideways"}, "orient 'sideways' is unknown"),
        (b"[1]", {"orient": "split"}, "must be a JSON object"),
        (b'{"columns": ["a"]}', {"orient": "split"}, "'data' must be a JSON array"),
        (b'[{"a": "\xff"}]', {}, "not JSON"),
        (b'[{"a": "\\ud800"}]', {}, "not"),
        (b"[" * 100_000, {}, "not JSON"),
        (b'[{"a": "x"}]', {"dtype": {"a": "int64"}}, "Column 'a' cannot be read as int64"),
        (b'[{"a": "x"}]', {"dtype": {"b": "int64"}}, "names column 'b'"),
        (b'[{"a": 1}]', {"compression": "gzip"}, "not supported yet"),
    ],
)
def test_json_that_cannot_be_read_as_asked(upload: Upload, content: bytes, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(content, "json", options)
