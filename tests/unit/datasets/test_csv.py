"""CSV: the written rules for types, the options, and what is said of bytes that are none."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from runtime.errors import InvalidTable

Upload = Callable[..., Any]


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "2"], "int64", [1, 2]),
        (["007", "2"], "int64", [7, 2]),
        (["1", ""], "Int64", [1, None]),
        (["1344800117571260417", ""], "Int64", [1344800117571260417, None]),
        (["1", "2.5"], "float64", [1.0, 2.5]),
        (["true", "FALSE"], "bool", [True, False]),
        (["yes", "no"], "str", ["yes", "no"]),
        (["1", "x"], "str", ["1", "x"]),
        (["a", "NA"], "str", ["a", None]),
        (["2024-01-01", "2024-01-02"], "str", ["2024-01-01", "2024-01-02"]),
        (["2024-01-01T00:00:00Z", ""], "str", ["2024-01-01T00:00:00Z", None]),
        (["12:30", "13:00"], "str", ["12:30", "13:00"]),
        (["12345678901234567890123", "1"], "str", ["12345678901234567890123", "1"]),
        (["9223372036854775808", "1"], "uint64", [9223372036854775808, 1]),
        (["9223372036854775808", "-1"], "str", ["9223372036854775808", "-1"]),
        (["9007199254740993", "0.5"], "str", ["9007199254740993", "0.5"]),
        (["0x1F", "0x10"], "str", ["0x1F", "0x10"]),
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
        ("a||b\n1||2\n", {"sep": "||"}, {"a": [1], "b": [2]}),
        ("a.,b\n1.,2\n", {"sep": ".,"}, {"a": [1], "b": [2]}),
        ("a\t\tb\n1\t\t2\n", {"sep": r"\t\t"}, {"a": [1], "b": [2]}),
        ("a  b\n1 \t2\n", {"sep": r"\s+"}, {"a": [1], "b": [2]}),
        ("a§b\n1§2\n", {"sep": "§"}, {"a": [1], "b": [2]}),
        ("a;b\n1;2\n", {"delimiter": ";", "nrows": 5}, {"a": [1], "b": [2]}),
        ("a,b\n1,2\n3,4\n", {"skiprows": [1]}, {"a": [3], "b": [4]}),
        ("x\na,b\n1,2\n", {"header": 1}, {"a": [1], "b": [2]}),
        ("a,b\n1,2\n", {"usecols": "b", "nrows": 1}, {"b": [2]}),
        ("a,b\nNA,2\n", {"skiprows": 0}, {"a": [None], "b": [2]}),
        ("a,a,b,\n1,2,3,4\n", {}, {"a": [1], "a.1": [2], "b": [3], "Unnamed: 3": [4]}),
        ("\ufeffa,b\n1,2\n", {}, {"a": [1], "b": [2]}),
        ("a,b\r\n1,2\r\n", {}, {"a": [1], "b": [2]}),
        ("a,b\n", {}, {"a": [], "b": []}),
        ("a,b", {}, {"a": [], "b": []}),
        ("graph,b\n1,2\n", {}, {"graph": [1], "b": [2]}),
        ("[a],b\n1,2\n", {}, {"[a]": [1], "b": [2]}),
        ("a,b\n1\n3,4\n", {}, {"a": [1, 3], "b": [None, 4]}),
        ("a,b\n1\n3,4\n", {"nrows": 5}, {"a": [1, 3], "b": [None, 4]}),
        ("sep=;\na;b\n1;2\n", {}, {"a": [1], "b": [2]}),
        ("\ufeffsep=;\r\na;b\r\n1;2\r\n", {"nrows": 1}, {"a": [1], "b": [2]}),
        ("sep=;\na,b\n1,2\n", {"sep": ","}, {"a": [1], "b": [2]}),
        ("a;b\n1;2\n", {"sep": ","}, {"a;b": ["1;2"]}),
        ("a,b\n1,2\n", {"usecols": ["b", "a"], "nrows": 1}, {"b": [2], "a": [1]}),
        ("a,b\n1,2\n", {"nrows": 10**12}, {"a": [1], "b": [2]}),
        ("a,b\n1,\n", {"dtype": "int64"}, {"a": [1], "b": [None]}),
        ("a\n1\n\n3\n", {}, {"a": [1, None, 3]}),
        ("a\n1\n\n3\n", {"nrows": 9}, {"a": [1, None, 3]}),
        ("\r\n\r\na\r\n\r\n1\r\n\r\n\r\n", {}, {"a": [None, 1]}),
        ("1\n\n3\n", {"header": None}, {"0": [1, None, 3]}),
        ('a\n"x\n\ny"\n\nz\n', {}, {"a": ["x\n\ny", None, "z"]}),
        ("a\n1\n\n3\n", {"skip_blank_lines": True}, {"a": [1, 3]}),
        ("a,b\n1,2\n\n3,4\n", {}, {"a": [1, 3], "b": [2, 4]}),
    ],
)
def test_csv_options(upload: Upload, content: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    stored = upload(content.encode(), "csv", options)
    frame = stored.table.to_pandas().astype(object)
    assert frame.where(frame.notna(), None).to_dict(orient="list") == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"])
def test_blank_lines_of_one_column_are_missing_values_in_every_encoding(upload: Upload, encoding: str) -> None:
    for content, options in (("a\n1\n\n3\n", {}), ("\r\n\r\na\r\n1\r\n\r\n3\r\n\r\n", {"nrows": 9})):
        stored = upload(content.encode(encoding), "csv", {"encoding": encoding, **options})
        assert stored.table.to_pydict() == {"a": [1, None, 3]}


def test_csv_in_another_encoding(upload: Upload) -> None:
    for options in ({"encoding": "latin-1"}, {"encoding": "latin-1", "nrows": 5}):
        stored = upload("a,b\né,1\n".encode("latin-1"), "csv", options)
        assert stored.table.column("a").to_pylist() == ["é"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "shift_jis", "cp1251", "utf-8-sig"])
@pytest.mark.parametrize("more", [{}, {"nrows": 5}], ids=["arrow", "pandas"])
def test_csv_in_encodings_of_the_world(upload: Upload, encoding: str, more: dict[str, Any]) -> None:
    stored = upload("a,b\nж,1\n".encode(encoding), "csv", {"encoding": encoding, **more})
    assert stored.table.to_pydict() == {"a": ["ж"], "b": [1]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("more", [{}, {"nrows": 5}], ids=["arrow", "pandas"])
def test_csv_help_with_separators_in_encodings_of_the_world(
    upload: Upload, encoding: str, more: dict[str, Any]
) -> None:
    options = {"encoding": encoding, **more}
    stored = upload("sep=;\r\na;b\r\né;1\r\n".encode(encoding), "csv", options)
    assert stored.table.to_pydict() == {"a": ["é"], "b": [1]}
    with pytest.raises(InvalidTable, match="is the file separated by ';'"):
        upload("a;b\né;1\n".encode(encoding), "csv", options)


@pytest.mark.parametrize("pattern", [r"(a+)+$", "[,;]", r"\s*,\s*", ".*", "a|b+", r"\d", "x" * 40, "a\\"])
def test_csv_separators_that_are_expressions_are_refused(upload: Upload, pattern: str) -> None:
    with pytest.raises(InvalidTable, match="use one character, plain text"):
        upload(b"a" * 5000 + b"!\n1\n", "csv", {"sep": pattern})


def test_csv_repeated_names_are_numbered_in_linear_time(upload: Upload) -> None:
    names = upload((",".join(["a"] * 5000) + "\n" + ",".join(["1"] * 5000) + "\n").encode(), "csv").table.column_names
    assert names[:3] == ["a", "a.1", "a.2"]
    assert len(set(names)) == 5000


@pytest.mark.parametrize("more", [{}, {"nrows": 10}], ids=["arrow", "pandas"])
def test_csv_dates_are_read_where_asked(upload: Upload, more: dict[str, Any]) -> None:
    options = {"parse_dates": ["t"], **more}
    stored = upload(b"t,u\n2024-01-02 03:04:05,2024-01-01\n,x\n", "csv", options)
    assert stored.report["dtypes"]["t"].startswith("datetime64[")
    assert stored.table.column("t").to_pylist() == [datetime.datetime(2024, 1, 2, 3, 4, 5), None]
    assert stored.table.column("u").to_pylist() == ["2024-01-01", "x"]


@pytest.mark.parametrize("more", [{}, {"nrows": 10}], ids=["arrow", "pandas"])
def test_csv_dates_with_offsets_are_times_in_utc(upload: Upload, more: dict[str, Any]) -> None:
    content = b"t\n2024-01-01T00:00:00+01:00\n2024-07-01T00:00:00+02:00\n"
    stored = upload(content, "csv", {"parse_dates": ["t"], **more})
    assert stored.report["dtypes"] == {"t": "datetime64[us, UTC]"}
    assert [moment.isoformat() for moment in stored.table.column("t").to_pylist()] == [
        "2023-12-31T23:00:00+00:00",
        "2024-06-30T22:00:00+00:00",
    ]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"a,b\n1,2,3\n", {}, "line 2 has 3 values; the lines before have 2"),
        (b"a,b\n1\n1,2,3\n", {}, "line 3 has 3 values; the lines before have 2"),
        (b"a,b\n1,2\n1,2,3\n", {"nrows": 10}, "line 3 has 3 values; the lines before have 2"),
        (b"a,b\n1,2,3\n4,5,6\n", {"nrows": 10}, "the first line of values has more values than the header"),
        (b"\n\n", {}, "not a readable CSV file: it has no header"),
        (b'<?xml version="1.0"?>\n<graphml>', {}, "is GraphML, not CSV; .* send its nodes and its edges as two tables"),
        (b"<gexf>", {}, "is GEXF, not CSV"),
        (b"<!DOCTYPE html>\n<html>", {}, "is an HTML page, not CSV"),
        (b"graph [\n  node [ id 1 ]\n]\n", {}, "is GML, not CSV"),
        (b"digraph G {\n  a -> b\n}\n", {"nrows": 3}, "is DOT, not CSV"),
        (b"*Vertices 2\n1\n2\n", {}, "is a Pajek file, not CSV"),
        (b'[{"a": 1}]', {}, "the body is JSON, not CSV; declare file_type 'json'"),
        (b'{"a": [1]}', {"sep": ";"}, "the body is JSON, not CSV; declare file_type 'json'"),
        (b"sep=;", {}, "the body is empty after its first line"),
        (b"a;b\n1;2\n", {}, "is the file separated by ';'\\? send the option sep=';'"),
        (b"a;b\n1;2\n", {"sep": None}, "is the file separated by ';'"),
        (b"a;b\n1;2\n", {"sep": "", "delimiter": None}, "is the file separated by ';'"),
        (b"a;b\n1,5;2,5\n", {}, "is the file separated by ';'\\? send the option sep=';'"),
        (b"a\tb\n1\t2\n", {"nrows": 3}, r"is the file separated by '\\t'\? send the option sep='\\t'"),
        (b"a|b\n1|2\n", {}, r"send the option sep='\|' "),
        (b"a,b\n\xff\xfe,1\n", {}, "column 'a' is not valid UTF-8"),
        (b"a,b\n\xff\xfe,1\n", {"nrows": 5}, "its text is not valid UTF-8; name the option 'encoding'"),
        (b"a,b\n1,2\n", {"encoding": "klingon"}, "klingon"),
        (b"a,b\n1,2\n", {"encoding": "klingon", "nrows": 1}, "klingon"),
        (b"a,b\nx,2\n", {"dtype": {"a": "int64"}}, "int64"),
        (b"a,b\nx,2\n", {"dtype": {"a": "int64"}, "nrows": 3}, "column 'a' cannot be read as int64"),
        (b"a,b\nx,2\n", {"dtype": {"a": "bool"}, "nrows": 3}, "a value is neither true nor false"),
        (b"a,b\n1,2\n", {"dtype": {"z": "str"}}, "names column 'z'"),
        (b"a,b\n1,2\n", {"dtype": {"a": "complex"}}, "dtype 'complex' is unknown"),
        (b"a,b\n1,2\n", {"dtype": [1]}, "option 'dtype'"),
        (b"a,b\n1,2\n", {"usecols": ["z"]}, "z"),
        (b"a,b\n1,2\n", {"parse_dates": ["z"]}, "names column 'z'"),
        (b"a,b\nx,2\n", {"parse_dates": ["a"]}, "column 'a' cannot be read as dates"),
        (b"a,b\nx,2\n", {"parse_dates": ["a"], "nrows": 2}, "column 'a' cannot be read as dates"),
        (b"a\n2024-01-01T00:00Z\n2024-01-01\n", {"parse_dates": ["a"]}, "only some values have an offset from UTC"),
        (
            b"a,b\n1,2\n",
            {"names": ["x"], "header": 0},
            "option 'names' has 1 names, and the first line of values has more",
        ),
        (b"a,b\n1,2\n", {"sep": 7}, "option 'sep' must be a string"),
        (b"a,b\n1,2\n", {"quotechar": "''"}, "option 'quotechar' must be one character"),
        (b"a,b\n1,2\n", {"nrows": "many"}, "option 'nrows' must be a whole number"),
        (b"a,b\n1,2\n", {"doublequote": "perhaps"}, "option 'doublequote' must be true or false"),
        (b"a,b\n1,2\n", {"usecols": "[1"}, "option 'usecols' is not JSON"),
        (b"a,b\n1,2\n", {"compression": "gzip"}, "is not gzip data"),
        (b"a,b\n1,2\n", {"compression": "rar"}, "compression 'rar' is unknown; use one of gzip, bz2"),
        (b"a,b\n1,2\n", {"byte_range": [0, 5]}, "'byte_range' is not supported: a range may begin inside"),
        (b"a,b\n1,2\n", {"engine": "python"}, "'engine' is not supported: the reader is chosen"),
        (b"a,b\n1,2\n", {"encoding": "bz2"}, "encoding 'bz2' does not encode text"),
        (b"a,b\n1,2\n", {"encoding": "punycode", "nrows": 1}, "encoding 'punycode' does not encode text"),
        (b"a,b\n1,2\n", {"header": [0, 1]}, "option 'header' must be a row number"),
        (b"a,b\n1,2\n", {"parse_dates": {"t": [0, 1]}, "nrows": 1}, "option 'parse_dates' must be a list"),
        (b"a,b\n1,2\n", {"skiprows": {"a": 1}}, "option 'skiprows' must be"),
        (b"a,b\n1,2\n", {"quoting": 9}, "option 'quoting' must be a whole number from 0 to 3"),
        (b"a,b\n1,2\n", {"decimal": ".."}, "'decimal' and 'thousands' must be one character each"),
        (b"a,b\n1,2\n", {"skiprows": 10**12}, "'skiprows' must be a whole number from 0 to 1,000,000"),
        (b"a,b\n1,2\n", {"skipfooter": 10**12}, "'skipfooter' must be a whole number from 0 to 1,000,000"),
        (b"a,b\n1,2\n", {"header": 10**12}, "'header' must be a row number from 0 to 1,000,000"),
        (b"a,b\n1,2\n", {"usecols": [10**12]}, "'usecols' must be a list of names or of numbers from 0 to 16,384"),
        (b"a,b\n1,2\n", {"na_values": ["x"] * 20_000}, "option 'na_values' has 20,000 values; at most 16,384"),
        (b"a,b\n1,2\n", {"sep": "\n"}, "cannot separate values"),
        (b'a,b\n"1,2\n', {"quoting": 0}, "not a readable CSV"),
        (b"a,b\n1,2\0\n", {}, "it contains zero bytes, the first at 7"),
        (b"a,b\n" + b"1,2\n" * 5000 + b"\0,1\n", {}, "it contains zero bytes, the first at 20004"),
        ("a,b\n1,2\n".encode("utf-16"), {}, "looks like UTF-16 text; name it with the option encoding='utf-16'"),
        (b"a,a\n1,2\n", {"mangle_dupe_cols": False}, "repeated: 'a'"),
    ],
)
def test_csv_that_cannot_be_read_as_asked(upload: Upload, content: bytes, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(content, "csv", options)


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("1,max\n2,y\n", {"header": "none"}, {"0": [1, 2], "1": ["max", "y"]}),
        ("01,02\n", {"header": "none", "dtype": {"0": "str"}}, {"0": ["01"], "1": [2]}),
        ("a,b\n1,02\n", {"names": ["b", "a"], "header": 0, "dtype": {"a": "str"}}, {"b": [1], "a": ["02"]}),
        ("1,2\n", {"names": ["s", "d"], "usecols": ["d"]}, {"d": [2]}),
        ("a,b\n1,2\n", {"header": 0}, {"a": [1], "b": [2]}),
    ],
)
def test_options_for_columns_hold_for_the_names_that_they_get(
    upload: Upload, content: str, options: dict[str, Any], expected: dict[str, list[Any]]
) -> None:
    assert upload(content.encode(), "csv", options).table.to_pydict() == expected


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("a,b\n-999,2\n", {"na_values": -999}, {"a": [None], "b": [2]}),
        ("a,b\n-999,2\n", {"na_values": "-999"}, {"a": [None], "b": [2]}),
        ("a,b\n007,2\n", {"na_values": "007,x"}, {"a": [None], "b": [2]}),
        ("a,b\n1,2\n", {"true_values": 1}, {"a": [True], "b": [2]}),
        ("a,b\n1,2\n", {"names": [2023, 2024], "header": 0}, {"2023": [1], "2024": [2]}),
        ("a,b\n1,2\n", {"usecols": 1}, {"b": [2]}),
        ("a,b\n1,2\n", {"usecols": "1"}, {"b": [2]}),
        ("a,b,c\n1,2,3\n", {"usecols": "2,0"}, {"c": [3], "a": [1]}),
        ("a,b,c\n1,2,3\n", {"usecols": [2, 0]}, {"c": [3], "a": [1]}),
        ("a,2024\n1,2\n", {"usecols": '["2024"]'}, {"2024": [2]}),
    ],
)
def test_options_in_a_url_may_be_one_value_or_positions(
    upload: Upload, content: str, options: dict[str, Any], expected: dict[str, list[Any]]
) -> None:
    table = upload(content.encode(), "csv", options).table
    assert (table.column_names, table.to_pydict()) == (list(expected), expected)


@pytest.mark.parametrize("places", [0, "0", [0], "t", ["t"]])
def test_a_column_of_dates_may_be_one_value_or_a_position(upload: Upload, places: Any) -> None:
    stored = upload(b"t,b\n2024-01-02,2\n", "csv", {"parse_dates": places})
    assert stored.table.column("t").to_pylist() == [datetime.datetime(2024, 1, 2)]


@pytest.mark.parametrize("more", [{}, {"nrows": 5}], ids=["arrow", "pandas"])
@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("a,b\n1,2\n", {"usecols": ["a", "z"]}, "'usecols' names column 'z', .*; its columns are 'a', 'b'"),
        ("a,b\n1,2\n", {"usecols": [0, 7]}, "'usecols' has the position 7, and the table has 2 columns"),
        ("a,b\n1,2\n", {"usecols": ["a", 1]}, "'usecols' must have names only, or positions only"),
        ("a,b\n1,2\n", {"usecols": True}, "list of names or of numbers from 0 to 16,384, not True"),
        ("a,b\n1,2\n", {"parse_dates": 7}, "'parse_dates' has the position 7, and the table has 2 columns"),
        ("a,b\n1,2\n", {"dtype": {"z": "str"}}, "'dtype' names column 'z', .*; its columns are 'a', 'b'"),
        ("a,b\n1,2\n", {"na_values": {"a": 1}}, "'na_values' must be a list of strings, not"),
        ("# made by x, y\na,b\n1,2,3\n", {}, "lines that begin with # are comments, send the option comment='#'"),
        ("% 3 nodes\na,b\n1,2\n", {}, "lines that begin with % are comments, send the option comment='%'"),
        ("Report\n\na,b\n1,2\n", {}, "if the table begins in line 3, send the option skiprows=2"),
        ("Report,2024\na,b,c\n1,2,3\n", {}, "if the table begins in line 2, send the option skiprows=1"),
    ],
)
def test_an_error_says_which_option_helps(
    upload: Upload, content: str, options: dict[str, Any], words: str, more: dict[str, Any]
) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(content.encode(), "csv", {**options, **more})


def test_a_header_that_is_no_row_is_refused(upload: Upload) -> None:
    with pytest.raises(InvalidTable, match="'header' must be a row number"):
        upload(b"a,b\n1,2\n", "csv", {"header": False})


@pytest.mark.parametrize("word", ["PARENT", "PAR1", "ORCID", "ORC", "BZh9"])
def test_a_header_may_begin_like_a_binary_file(upload: Upload, word: str) -> None:
    assert upload(f"{word},name\n1,2\n".encode(), "csv").table.to_pydict() == {word: [1], "name": [2]}
