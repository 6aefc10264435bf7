"""Parquet and CSV: what comes back is what the task had, as far as the format can say it."""

import datetime as dt
import decimal
import io
import os
import pathlib
import uuid
from typing import Any

import dateutil.tz  # type: ignore[import-untyped]  # its stubs are not installed
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from pandas.testing import assert_frame_equal

from runtime.errors import ResultNotSerializable
from runtime.results.encoding import encode

COLUMNS: dict[str, Any] = {
    "int8": np.array([-128, 127], dtype="int8"),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "uint64": np.array([0, 2**64 - 1], dtype="uint64"),
    "float32": np.array([0.1, np.nan], dtype="float32"),
    "float64": np.array([0.1, np.inf]),
    "bool": np.array([True, False]),
    "str": pd.Series(["ä,\n\"'", None], dtype="str"),
    "category": pd.Categorical(["b", None], categories=["b", "a"], ordered=True),
    "datetime64[ns]": pd.Series(["2024-05-01T00:00:00.000000001", None], dtype="datetime64[ns]"),
    "datetime64[us, tz]": pd.Series(["2024-05-01", None], dtype="datetime64[us, Europe/Paris]"),
    "timedelta64": pd.Series([1, None], dtype="timedelta64[ns]"),
    "Int64": pd.Series([2**60, None], dtype="Int64"),
    "date": pd.Series([dt.date(2024, 5, 1), None], dtype=object),
    "Decimal": pd.Series([decimal.Decimal("1.10"), decimal.Decimal("-22.00")], dtype=object),
}
FRAME = pd.DataFrame(COLUMNS)


def written(frame: object, file_format: Any) -> bytes:
    sink = io.BytesIO()
    encode(frame, "table", file_format, False, sink)
    return sink.getvalue()


def test_every_dtype_survives_parquet() -> None:
    assert_frame_equal(pd.read_parquet(io.BytesIO(written(FRAME, "parquet"))), FRAME)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_every_dtype_survives_parquet_alone_and_without_rows(name: str) -> None:
    one = FRAME[[name]]
    assert_frame_equal(pd.read_parquet(io.BytesIO(written(one, "parquet"))), one)
    none = pd.read_parquet(io.BytesIO(written(one.head(0), "parquet")))
    assert none.shape == (0, 1)


@pytest.mark.parametrize("name", COLUMNS)
def test_json_and_csv_write_a_cell_alike_where_both_write_text(name: str) -> None:
    texts = pd.read_csv(io.BytesIO(written(FRAME[[name]], "csv")), dtype=str)[name].tolist()
    records = pd.read_json(io.BytesIO(written(FRAME[[name]], "json")), dtype=False, convert_dates=False)[name].tolist()
    assert len(texts) == len(records) == 2
    if name in ("timedelta64", "date", "Decimal", "str", "category"):
        assert [text for text in texts if isinstance(text, str)] == [text for text in records if isinstance(text, str)]


def test_csv_keeps_what_a_reader_infers() -> None:
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "whole": [1.0, 2.0],
            "large": [1e15, 1e300],
            "half": np.array([1, 2], dtype="float16"),
            "gap": [1.0, np.nan],
            "b": [True, False],
            "s": ['say "x", y', "line\nbreak"],
            "word": ["true", "no"],
        }
    )
    read = pd.read_csv(io.BytesIO(written(frame, "csv")))
    assert_frame_equal(read, frame.assign(half=[1.0, 2.0]))


@pytest.mark.parametrize(
    "column",
    [
        [1.0, None, 2.0],
        ["a", None, "b"],
        [None, None],
        pd.array([1, None], dtype="Int64"),
        [dt.date(2024, 5, 1), None],
    ],
    ids=["float", "str", "nothing", "Int64", "date"],
)
def test_a_missing_value_in_the_only_column_of_csv_is_still_a_row(column: Any) -> None:
    frame = pd.DataFrame({"a": column})
    read = pd.read_csv(io.BytesIO(written(frame, "csv")))
    assert read["a"].isna().tolist() == frame["a"].isna().tolist()


def test_odd_cells_of_csv_follow_the_rules_for_json() -> None:
    cells = [1, "a", [1, {"b": None}], b"x", 2**70, float("nan"), {"k": dt.date(2024, 5, 1)}, True, "\udc80"]
    read = pd.read_csv(io.BytesIO(written(pd.DataFrame({"o": pd.Series(cells, dtype=object), "n": 1}), "csv")))
    assert read["o"].fillna("missing").tolist() == [
        "1",
        "a",
        '[1,{"b":null}]',
        "eA==",
        str(2**70),
        "missing",
        '{"k":"2024-05-01"}',
        "true",
        "\ufffd",
    ]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (pd.period_range("2024-05", periods=1, freq="M"), "2024-05"),
        (pd.interval_range(0, 1), "(0, 1]"),
        (pd.to_timedelta([1], unit="s"), "P0DT0H0M1S"),
        (pd.Categorical([b"x"]), "eA=="),
        (pd.arrays.SparseArray([1]), "1"),
        (pd.Series([[1]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))), "[1]"),
        (pd.to_datetime(["2024-05-01"]).tz_localize("Asia/Kolkata"), "2024-05-01 00:00:00.000000+0530"),
    ],
)
def test_csv_writes_every_pandas_type(column: Any, cell: str) -> None:
    read = pd.read_csv(io.BytesIO(written(pd.DataFrame({"a": column, "b": 1}), "csv")), dtype=str)
    assert read["a"].tolist() == [cell]


def test_column_names_become_text() -> None:
    frame = pd.DataFrame([[1, 2, 3]], columns=[1, pd.Timestamp("2024-05-01"), ("a", "b")])
    names = ["1", "2024-05-01T00:00:00", "('a', 'b')"]
    assert list(pd.read_csv(io.BytesIO(written(frame, "csv")))) == names
    assert list(pd.read_json(io.BytesIO(written(frame, "json")))) == names
    assert list(pd.read_parquet(io.BytesIO(written(frame, "parquet")))) == names


def test_names_of_several_levels_become_the_text_of_their_tuples() -> None:
    levels = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")]))
    assert list(pd.read_parquet(io.BytesIO(written(levels, "parquet")))) == ["('a', 'b')"]


MIXED: list[list[object]] = [
    [1, "a"],
    [True, 1],
    [1.0, True],
    [2**53 + 1, 0.5],
    [np.uint64(2**64 - 1), 2.5],
    [np.int8(3), uuid.UUID(int=3)],
    [pd.Timestamp("2024-01-01", tz="UTC"), 1.0],
    ["a", b"a"],
]


@pytest.mark.parametrize("cells", MIXED, ids=str)
def test_a_column_of_scalars_of_several_kinds_is_refused_by_parquet_by_name(cells: list[object]) -> None:
    frame = pd.DataFrame({"fine": [1, 2], "odd one": pd.Series(cells, dtype=object)})
    with pytest.raises(ResultNotSerializable, match=r"cannot be written as Parquet: .*'odd one' \(dtype object\)"):
        encode(frame, "table", "parquet", False, io.BytesIO())


@pytest.mark.parametrize(("cells", "said"), [([1j, 2j], "imaginary"), ([object(), 1], "object"), ([len], "call it")])
def test_a_column_of_values_without_a_form_is_refused(cells: list[object], said: str) -> None:
    with pytest.raises(ResultNotSerializable, match=said):
        encode(pd.DataFrame({"a": cells}), "table", "parquet", False, io.BytesIO())


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        ([2**70, 1], [str(2**70), "1"]),
        ([2**64 - 1, -1], [str(2**64 - 1), "-1"]),
        ([dt.date(2024, 5, 1), dt.datetime(2024, 5, 1, 5)], ["2024-05-01", "2024-05-01T05:00:00"]),
        (
            [dt.datetime(2024, 5, 1), dt.datetime(2024, 5, 1, tzinfo=dt.UTC)],
            ["2024-05-01T00:00:00", "2024-05-01T00:00:00+00:00"],
        ),
        ([dt.time(1), dt.time(1, tzinfo=dt.UTC)], ["01:00:00", "01:00:00+00:00"]),
        ([[dt.date(2024, 5, 1)], [dt.datetime(2024, 5, 1, 5)]], ['["2024-05-01"]', '["2024-05-01T05:00:00"]']),
        ([pd.Interval(0, 1), None], ["(0, 1]", None]),
        ([pd.Period("2024-05"), None], ["2024-05", None]),
        ([decimal.Decimal("1E-90"), decimal.Decimal("1E+30")], ["1E-90", "1E+30"]),
        ([np.timedelta64(1, "Y"), np.timedelta64(1, "D")], ["P1Y", "P1DT0H0M0S"]),
        ([pathlib.PurePosixPath("a/b"), None], ["a/b", None]),
        ([(1, "a"), (2, "b")], ['[1,"a"]', '[2,"b"]']),
        ([{1: 2}, {}], ['{"1":2}', "{}"]),
        (["a\udc80", None], ["a\ufffd", None]),
    ],
    ids=ascii,
)
def test_values_that_arrow_would_mix_up_or_refuse_are_texts(
    cells: list[object], texts: list[object], file_format: str
) -> None:
    data = written(pd.DataFrame({"a": pd.Series(cells, dtype=object), "n": 1}), file_format)
    read = pd.read_csv(io.BytesIO(data), dtype=str) if file_format == "csv" else pd.read_parquet(io.BytesIO(data))
    assert [None if pd.isna(text) else text for text in read["a"]] == texts


BIG = 2**53 + 1


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pa.array([BIG, None]), "Int64"),
        (pa.array([2**64 - 1, None], pa.uint64()), "UInt64"),
        (pa.array([1, None], pa.int8()), "Int8"),
        (pa.array([BIG, None], pa.dictionary(pa.int8(), pa.int64())), "Int64"),
        (pa.RunEndEncodedArray.from_arrays(pa.array([1, 2]), pa.array([BIG, None])), "Int64"),
        (pd.Series([BIG, None], dtype=object), "Int64"),
        (pd.Series([np.int64(BIG), np.nan], dtype=object), "Int64"),
        (pd.Series(pd.Categorical([BIG, None])), "Int64"),
        (pd.Series([BIG, None], dtype=pd.ArrowDtype(pa.int64())), "int64[pyarrow]"),
    ],
    ids=[f"case {number}" for number in range(9)],
)
def test_pandas_reads_no_float_where_parquet_has_an_integer_column_with_a_gap(column: Any, dtype: str) -> None:
    frame = pd.DataFrame({"a": column}) if isinstance(column, pd.Series) else pa.table({"a": column})
    read = pd.read_parquet(io.BytesIO(written(frame, "parquet")))["a"]
    assert str(read.dtype) == dtype
    first = column.iloc[0] if isinstance(column, pd.Series) else column[0].as_py()
    assert (read.iloc[0], read.isna().tolist()) == (first, [False, True])


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pd.Series(pd.cut(pd.Series([1, 5, 9]), 2)), "interval[float64, right]"),
        (pd.Series(pd.period_range("2024-05", periods=2, freq="M")).astype("category"), "period[M]"),
        (pd.Series(pd.to_timedelta([1, None], unit="s")).astype("category"), "timedelta64[s]"),
        (
            pd.Series(pd.to_datetime(["2024-05-01"]).tz_localize("Asia/Kolkata")).astype("category"),
            "datetime64[us, Asia/Kolkata]",
        ),
        (pd.Series(pd.arrays.SparseArray([0, BIG])), "int64"),
        (pd.Series([pd.Timestamp(1, unit="ns"), None], dtype=object), "datetime64[ns]"),
        (pd.Series([pd.Timedelta(1, "ns"), None], dtype=object), "timedelta64[ns]"),
    ],
    ids=["cut", "periods", "durations", "zone", "sparse", "nanoseconds", "durations of nanoseconds"],
)
def test_parquet_keeps_what_arrow_alone_would_refuse_or_round(column: "pd.Series[Any]", dtype: str) -> None:
    read = pd.read_parquet(io.BytesIO(written(pd.DataFrame({"a": column}), "parquet")))["a"]
    assert str(read.dtype) == dtype
    assert [value for value in read if not pd.isna(value)] == [value for value in column if not pd.isna(value)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[("k", BIG)], None], pa.map_(pa.string(), pa.int64())),
        ([[1], None], pa.list_(pa.int64())),
        ([{"x": 1}, None], pa.struct([("x", pa.int64())])),
        ([b"ab", None], pa.binary(2)),
        (["a", None], pa.dictionary(pa.int8(), pa.string())),
    ],
    ids=["map", "list", "struct", "fixed size", "dictionary"],
)
def test_pandas_reads_columns_of_arrow_types_whose_names_it_does_not_read(values: list[Any], kind: Any) -> None:
    frame = pd.DataFrame({"a": pd.Series(pa.array(values, kind), dtype=pd.ArrowDtype(kind))})
    read = pd.read_parquet(io.BytesIO(written(frame, "parquet")))["a"].tolist()
    first = read[0].tolist() if isinstance(read[0], np.ndarray) else read[0]
    assert first == values[0]
    assert pd.isna(read[1])


def test_an_arrow_table_has_all_its_columns_in_every_format_also_one_that_pandas_takes_for_its_index() -> None:
    table = pa.Table.from_pandas(pd.DataFrame({"x": [1, 2]}, index=pd.Index([5, 9], name="id")))
    assert written(table, "json") == b'[{"x":1,"id":5},{"x":2,"id":9}]'
    assert list(pd.read_csv(io.BytesIO(written(table, "csv")))) == ["x", "id"]
    assert list(pd.read_parquet(io.BytesIO(written(table, "parquet")))) == ["x", "id"]


def test_csv_keeps_the_point_of_floats_beside_a_gap_and_the_sign_of_zero() -> None:
    frame = pd.DataFrame({"gap": [1.0, None], "zero": [-0.0, 2.0], "n": pd.array([1, None], dtype="Int64")})
    lines = written(frame, "csv").decode().replace('"', "").splitlines()
    assert lines == ["gap,zero,n", "1.0,-0.0,1", ",2.0,"]


def test_times_that_csv_has_no_form_for_are_iso_texts() -> None:
    column = pd.Series(np.array(["12024-01-01", "-0044-03-15"], "M8[s]"))
    read = pd.read_csv(io.BytesIO(written(pd.DataFrame({"t": column}), "csv")))
    assert read["t"].tolist() == ["12024-01-01T00:00:00", "-0044-03-15T00:00:00"]


@pytest.mark.parametrize("cells", MIXED, ids=str)
def test_csv_and_json_write_cells_of_several_kinds_one_by_one(cells: list[object]) -> None:
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object), "n": 1})
    texts = pd.read_csv(io.BytesIO(written(frame, "csv")), dtype=str)["a"].tolist()
    values = [row["a"] for row in orjson.loads(written(frame, "json"))]
    assert texts == [value if isinstance(value, str) else orjson.dumps(value).decode() for value in values]


def test_csv_writes_categories_of_several_kinds_one_by_one() -> None:
    column = pd.Series(pd.Categorical([pd.Timestamp("2024-01-01", tz="UTC"), 1.0, None]))
    read = pd.read_csv(io.BytesIO(written(pd.DataFrame({"a": column, "n": 1}), "csv")), dtype=str)["a"]
    assert read.tolist()[:2] == ["2024-01-01T00:00:00+00:00", "1.0"]


def test_the_cell_of_csv_that_has_no_form_is_named() -> None:
    with pytest.raises(ResultNotSerializable, match=r"as CSV at result\['c'\]\[1\]: a value of type object"):
        encode(pd.DataFrame({"c": [1, object()]}), "table", "csv", False, io.BytesIO())


def test_attributes_of_a_frame_do_not_stop_it() -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["note"] = object()
    assert_frame_equal(pd.read_parquet(io.BytesIO(written(frame, "parquet"))), frame)
    assert frame.attrs


def test_datetimes_of_a_column_read_like_single_values() -> None:
    stamps = pd.to_datetime(
        [
            "1677-09-22",
            "1969-12-31T23:59:59.5",
            "2024-03-31T00:30",
            "2024-03-31T01:30:00.000001",
            "2024-01-01T00:00:00.000000007",
            "NaT",
        ],
        format="ISO8601",
    ).as_unit("ns")
    for zone in (None, "UTC", "Europe/Paris", "America/St_Johns"):
        column = pd.Series(stamps.tz_localize("UTC").tz_convert(zone) if zone else stamps)
        expected = [None if pd.isna(stamp) else stamp.isoformat() for stamp in column]
        records = pd.read_json(
            io.BytesIO(written(pd.DataFrame({"t": column}), "json")), convert_dates=False, dtype=False
        )
        assert [None if pd.isna(text) else text for text in records["t"]] == expected


@pytest.mark.parametrize("kind", ["i2", "u4", "i8", "f4", "f8"])
def test_parquet_has_numbers_of_the_other_byte_order(kind: str) -> None:
    frame = pd.DataFrame({"a": np.array([1, 2], dtype=f">{kind}")})
    read = pd.read_parquet(io.BytesIO(written(frame, "parquet")))
    assert_frame_equal(read, pd.DataFrame({"a": np.array([1, 2], dtype=kind)}))


@pytest.mark.parametrize("other", [dateutil.tz.tzoffset(None, 7200), dt.timezone(dt.timedelta(hours=2)), None])
def test_parquet_has_times_with_offsets_of_dateutil_as_texts(other: dt.tzinfo | None) -> None:
    cells = [dt.datetime(2024, 1, 1, tzinfo=zone) for zone in (dateutil.tz.tzoffset(None, 3600), other)]
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object)})
    read = pd.read_parquet(io.BytesIO(written(frame, "parquet")))
    assert read["a"].tolist() == [cell.isoformat() for cell in cells]


@pytest.mark.parametrize("kind", [pa.decimal128(5, -2), pa.decimal256(5, -2), pa.decimal128(38, -3)], ids=str)
def test_parquet_has_decimals_of_negative_scale(kind: pa.DataType) -> None:
    table = pa.table({"a": pa.array([decimal.Decimal(12000), None], kind)})
    read = pyarrow.parquet.read_table(io.BytesIO(written(table, "parquet")))
    assert read.column("a").to_pylist() == [decimal.Decimal(12000), None]


@pytest.mark.parametrize(
    ("moment", "zone", "cell"),
    [
        ("1900-01-01", "Europe/Amsterdam", "1900-01-01T00:00:00+00:19:32"),
        ("1971-01-01", "Africa/Monrovia", "1971-01-01T00:00:00-00:44:30"),
        ("2024-01-01", "Europe/Amsterdam", "2024-01-01 00:00:00+0100"),
        ("1950-01-01", "Asia/Kolkata", "1950-01-01 00:00:00+0530"),
        ("1900-01-01", "UTC", "1900-01-01 00:00:00Z"),
    ],
)
def test_csv_keeps_the_seconds_of_offsets_before_there_were_zones(moment: str, zone: str, cell: str) -> None:
    column = pd.Series(pd.DatetimeIndex([moment], tz=zone).as_unit("s"))
    for frame in (pd.DataFrame({"a": column}), pa.table({"a": pa.array(column)})):
        assert written(frame, "csv").decode().replace('"', "") == f"a\n{cell}\n"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_writing_starts_no_thread() -> None:
    before = len(os.listdir("/proc/self/task"))
    frame = pd.DataFrame({f"c{n}": np.arange(1000) for n in range(50)})
    for file_format in ("json", "csv", "parquet"):
        written(frame, file_format)
    assert len(os.listdir("/proc/self/task")) == before
