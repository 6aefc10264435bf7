"""Numbers in CSV: as the options say that they are written, and never another number."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from runtime.datasets.formats import csv
from runtime.errors import InvalidTable

Upload = Callable[..., Any]

BY_ARROW: dict[str, Any] = {}
BY_PANDAS: dict[str, Any] = {"nrows": 5}
EUROPEAN = {"thousands": ".", "decimal": ",", "sep": ";"}


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ("1.234.567", EUROPEAN, 1234567),
        ("-1.234,5", EUROPEAN, -1234.5),
        ("1234,5", EUROPEAN, 1234.5),
        ("1.5", EUROPEAN, "1.5"),
        ("10.0.0.1", EUROPEAN, "10.0.0.1"),
        ("2024.01.02", EUROPEAN, "2024.01.02"),
        ("0.500", EUROPEAN, "0.500"),
        ("1,5", {"thousands": ",", "sep": ";"}, "1,5"),
        ("1,234.5", {"thousands": ",", "sep": ";"}, 1234.5),
        ("12 345", {"thousands": " "}, 12345),
        ("1.5", {"decimal": ",", "sep": ";"}, "1.5"),
    ],
)
def test_thousands_are_groups_of_three(upload: Upload, text: str, options: dict[str, Any], value: object) -> None:
    stored = upload(f"a{options.get('sep', ',')}b\n{text}{options.get('sep', ',')}1\n".encode(), "csv", options)
    assert stored.table.column("a").to_pylist() == [value]


@pytest.mark.parametrize("reader", [BY_ARROW, BY_PANDAS], ids=["arrow", "pandas"])
@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [
        ("1e400", "", "1e400"),
        ("-1e400", "", "-1e400"),
        ("9" * 400 + ".5", "", "9" * 400 + ".5"),
        ("1e-400", "", "1e-400"),
        ("-2E-0324", "", "-2E-0324"),
        ("0." + "0" * 400 + "1", "", "0." + "0" * 400 + "1"),
        ("0." + "0" * 300 + "1e-99", "", "0." + "0" * 300 + "1e-99"),
        ("0e-400", "", 0.0),
        ("1.e-0400", "", "1.e-0400"),
        ("5e-324", "", 5e-324),
        ("0e-400", "float64", 0.0),
        ("inf", "", float("inf")),
        ("inf", "float64", float("inf")),
        ("+7", "int64", 7),
        ("007", "int8", 7),
    ],
)
def test_a_number_that_no_float_holds_is_text(
    upload: Upload, reader: dict[str, Any], text: str, dtype: str, value: object
) -> None:
    options = {**reader, **({"dtype": {"a": dtype}} if dtype else {})}
    assert upload(f"a,b\n{text},1\n".encode(), "csv", options).table.column("a").to_pylist() == [value]


@pytest.mark.parametrize("reader", [BY_ARROW, BY_PANDAS], ids=["arrow", "pandas"])
@pytest.mark.parametrize(
    ("text", "dtype", "words"),
    [
        ("0x1F", "int64", "column 'a' cannot be read as int64: '0x1F' is no whole number"),
        ("0x1F", "float64", "'0x1F' is no number"),
        ("7.0", "int64", "'7.0' is no whole number"),
        ("300", "int8", "column 'a' cannot be read as int8: '300' does not fit"),
        ("1e400", "float64", "a number is too large for it"),
        ("1e39", "float32", "a number is too large for it"),
        ("1e-400", "float64", "a number is too small for it and would be 0"),
        ("1e-46", "float32", "a number is too small for it and would be 0"),
        ("9007199254740993", "float64", "'9007199254740993' would change; without dtype it stays as it is"),
        ("-16777217", "float32", "would change"),
        ("1", "bool", "neither true nor false"),
    ],
)
def test_a_dtype_that_does_not_hold_a_value_is_refused(
    upload: Upload, reader: dict[str, Any], text: str, dtype: str, words: str
) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(f"a,b\n{text},1\n".encode(), "csv", {**reader, "dtype": {"a": dtype}})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32-le", "utf-7", "cp037"])
def test_hexadecimal_is_text_in_every_encoding(upload: Upload, encoding: str) -> None:
    body = "n,h,t\n1,0x1F,a\n2,0XFF,0x\n".encode(encoding)
    stored = upload(body, "csv", {"encoding": encoding})
    assert stored.table.to_pydict() == {"n": [1, 2], "h": ["0x1F", "0XFF"], "t": ["a", "0x"]}


def test_hexadecimal_in_base64_of_utf_7_is_text(upload: Upload) -> None:
    stored = upload(b"h,n\n+ADAAeA-1F,1\n", "csv", {"encoding": "utf-7"})
    assert stored.table.to_pydict() == {"h": ["0x1F"], "n": [1]}


def test_letters_beside_numbers_cost_no_second_parse(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = Mock(side_effect=csv._parse_blocks)
    monkeypatch.setattr(csv, "_parse_blocks", parse)
    assert upload(b"n,t\n1,box\n2,fox\n", "csv").table.to_pydict() == {"n": [1, 2], "t": ["box", "fox"]}
    assert parse.call_count == 1
