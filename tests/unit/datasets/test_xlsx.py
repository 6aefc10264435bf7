"""Excel workbooks: the rules for types, headers and formulas, and what is said of files that are none."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import InvalidTable
from tests.unit.datasets.workbooks import DATE, MOMENT, TIME, XLS, cell, sheet, sheet_xml, xlsx

Upload = Callable[..., Any]


def _one(*rows: list[Any]) -> bytes:
    return xlsx({"Sheet1": sheet(rows)})


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        ([1, 2.0], "int64", [1, 2]),
        ([1, None], "Int64", [1, None]),
        ([1, 2.5], "float64", [1.0, 2.5]),
        ([1e300, 1], "float64", [1e300, 1.0]),
        (["007", "x"], "str", ["007", "x"]),
        (["1", 2], "str", ["1", "2"]),
        ([True, False], "bool", [True, False]),
        ([True, "x", 2.5], "str", ["true", "x", "2.5"]),
        ([cell(45292, DATE), cell(45293.5, MOMENT)], "datetime64[us]",
         [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 2, 12)]),
        ([cell(45292, DATE), "soon"], "str", ["2024-01-01", "soon"]),
        ([cell(0.5, TIME)], "object", [datetime.time(12)]),
        (['<c t="s"><v>0</v></c>', "x"], "str", ["shared", "x"]),
        (["<c><f>1+1</f><v>2</v></c>"], "int64", [2]),
        (['<c t="str"><f>"a"&amp;"b"</f><v>ab</v></c>'], "str", ["ab"]),
        (['<c t="str"><f>IF(1,"","")</f><v></v></c>', "x"], "str", [None, "x"]),
        (['<c t="e"><v>#N/A</v></c>', "x"], "str", [None, "x"]),
    ],
)  # fmt: skip
def test_excel_types_follow_the_written_rules(upload: Upload, cells: list[Any], dtype: str, values: list[Any]) -> None:
    stored = upload(_one(["x", "y"], *([value, 1] for value in cells)), "xlsx")
    assert stored.report["dtypes"]["x"] == dtype
    assert stored.table.column("x").to_pylist() == values


@pytest.mark.parametrize(
    ("rows", "options", "expected"),
    [
        ([[], ["a", "b"], [1, 2]], {}, {"a": [1], "b": [2]}),
        ([["a", "b"], [1, 2], [None, None], [3, 4]], {}, {"a": [1, 3], "b": [2, 4]}),
        ([["a", None, "b", None], [1, None, 2, None]], {}, {"a": [1], "b": [2]}),
        ([["a", "a", None], [1, 2, 3]], {}, {"a": [1], "a.1": [2], "Unnamed: 2": [3]}),
        ([[2023.0, True], [1, 2]], {}, {"2023": [1], "true": [2]}),
        ([["title"], ["a", "b"], [1, 2]], {"skiprows": 1}, {"a": [1], "b": [2]}),
        ([["title"], ["a", "b"], [1, 2]], {"header": "1"}, {"a": [1], "b": [2]}),
        ([["title"], [], [], ["a", "b"], [1, 2]], {"skiprows": 3}, {"a": [1], "b": [2]}),
        ([[], ["title"], ["a", "b"], [1, 2]], {"skiprows": 2}, {"a": [1], "b": [2]}),
        ([[], ["title"], ["a", "b"], [1, 2]], {"skiprows": 1, "header": 1}, {"a": [1], "b": [2]}),
        ([["title"], [], ["a", "b"], [1, 2]], {"header": 2}, {"a": [1], "b": [2]}),
        ([[], ["a", "b"], [1, 2]], {"header": 0}, {"a": [1], "b": [2]}),
        ([["a", "b"], [1, 2]], {"usecols": [1]}, {"b": [2]}),
        ([["a", "b"], [1, 2]], {"usecols": "1"}, {"b": [2]}),
        ([[None, "a", None, "b"], [None, 1, None, 2]], {"usecols": "[3, 1]"}, {"b": [2], "a": [1]}),
        ([[None, "a", None, "b"], [None, 1, None, 2]], {"usecols": "D,B"}, {"b": [2], "a": [1]}),
        ([["a", "b", None, "c", "d"], [1, 2, None, 3, 4]], {"usecols": "B:D"}, {"b": [2], "c": [3]}),
        ([["a", "b", "c"], [1, 2, 3]], {"usecols": "C, A:B"}, {"c": [3], "a": [1], "b": [2]}),
        ([["B", "A"], [1, 2]], {"usecols": "A"}, {"A": [2]}),
        ([[1, 2], [3, 4]], {"header": None}, {"0": [1, 3], "1": [2, 4]}),
        ([[1, 2], [3, 4]], {"names": "s,d"}, {"s": [1, 3], "d": [2, 4]}),
        ([["a", "b"], [3, 4]], {"names": ["s", "d"], "header": 0}, {"s": [3], "d": [4]}),
        ([["a", "b"], [1, 2], [3, 4]], {"nrows": 1}, {"a": [1], "b": [2]}),
        ([["a", "b"], [1, 2]], {"usecols": ["b"]}, {"b": [2]}),
        ([["a", "b"], [1, 2]], {"dtype": {"a": "str"}}, {"a": ["1"], "b": [2]}),
        ([["a", "b"]], {}, {"a": [], "b": []}),
    ],
)
def test_excel_headers_and_options(upload: Upload, rows: Any, options: dict[str, Any], expected: Any) -> None:
    assert upload(_one(*rows), "xlsx", options).table.to_pydict() == expected


@pytest.mark.parametrize(("asked", "value"), [(None, 1), (0, 1), ("1", 2), ("Two & more", 2)])
def test_excel_sheets_are_chosen_by_name_or_position(upload: Upload, asked: Any, value: int) -> None:
    content = xlsx({"One": sheet([["a"], [1]]), "Two & more": sheet([["a"], [2]])})
    assert upload(content, "xlsx", {"sheet_name": asked}).table.to_pydict() == {"a": [value]}


@pytest.mark.parametrize(("asked", "value"), [("2024", 2), (2024, 2), ("0", 3), (0, 1), ("1", 2)])
def test_a_sheet_may_be_named_by_a_number(upload: Upload, asked: Any, value: int) -> None:
    content = xlsx({"One": sheet([["a"], [1]]), "2024": sheet([["a"], [2]]), "0": sheet([["a"], [3]])})
    assert upload(content, "xlsx", {"sheet_name": asked}).table.to_pydict() == {"a": [value]}


def test_a_formula_without_a_value_concerns_only_its_own_sheet(upload: Upload) -> None:
    content = xlsx({"A & B": sheet([["a"], [1]]), "other": sheet([["a"], ["<c><f>1+1</f></c>"]])})
    assert upload(content, "xlsx").table.to_pydict() == {"a": [1]}
    with pytest.raises(InvalidTable, match="of sheet 'other' has a formula"):
        upload(content, "xlsx", {"sheet_name": "other"})


def test_old_excel_files_are_read(upload: Upload) -> None:
    days = [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 2)]
    expected = {"src": ["a", "b"], "dst": ["b", "c"], "n": [1, 2], "t": days}
    assert upload(XLS, "xls").table.to_pydict() == expected


@pytest.mark.parametrize(
    ("content", "file_type", "options", "words"),
    [
        (XLS, "xlsx", {}, "old or an encrypted Excel file, not xlsx; declare file_type 'xls'"),
        (_one(["a"], [1]), "xls", {}, "is an Excel workbook, not an old Excel file; declare file_type 'xlsx'"),
        (b"a,b\n1,2\n", "xlsx", {}, "is not an Excel workbook"),
        (_one(["a"], [1])[:-40], "xlsx", {}, "truncated or damaged"),
        (XLS[:3000], "xls", {}, "damaged"),
        (_one(), "xlsx", {}, "the sheet is empty"),
        (_one(["a"]), "xlsx", {"header": 3}, "ends before its header"),
        (_one(["a"], [1]), "xlsx", {"sheet_name": "Zwei"}, "no sheet 'Zwei'; its sheets are 'Sheet1'"),
        (_one(["a"], [1]), "xlsx", {"sheet_name": 7}, "no sheet '7'"),
        (_one(["a"], [1]), "xlsx", {"sheet_name": ["x"]}, "no sheet"),
        (_one(["a"], [1]), "xlsx", {"names": ["x", "y"]}, "2 names for 1 columns"),
        (_one(["a"], [1]), "xlsx", {"usecols": ["z"]}, "names column 'z', .*; its columns are 'a'"),
        (_one(["a"], [1]), "xlsx", {"usecols": "ID"}, "names column 'ID', .*; its columns are 'a'"),
        (_one(["a"], [1]), "xlsx", {"usecols": ["A"]}, "names column 'A', .*; its columns are 'a'"),
        (_one(["a"], [1]), "xlsx", {"usecols": 7}, "has the position 7, where the sheet has no column"),
        (_one(["a"], ["<c><f>1+1</f></c>"]), "xlsx", {}, "a cell of sheet 'Sheet1' has a formula, and nothing has"),
        (_one(["a"], ['<c r="A2"><f>1+1</f><v/></c>']), "xlsx", {}, "cell A2 of sheet 'Sheet1' has a formula"),
        (_one(["a"], ['<c r="A2" s="1"><f t="shared" si="0"/><v></v></c>']), "xlsx", {}, "save it, and send it again"),
        (_one(["a"], [1]), "xlsx", {"header": -1}, "option 'header' must be"),
        (_one(["a"], ["x"]), "xlsx", {"dtype": {"a": "int64"}}, "cannot be read as int64"),
    ],
)
def test_excel_that_cannot_be_read_as_asked(
    upload: Upload, content: bytes, file_type: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(content, file_type, options)


def _entities(tmp_path: Path, kind: str) -> str:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    declared = {
        "external": f'<!ENTITY e SYSTEM "{secret.as_uri()}">',
        "parameter": f'<!ENTITY % p SYSTEM "{secret.as_uri()}"> %p; <!ENTITY e "x">',
        "laughs": '<!ENTITY a "ha">' + "".join(
            f'<!ENTITY {chr(b)} "{f"&{chr(b - 1)};" * 10}">' for b in range(98, 107)
        ) + '<!ENTITY e "&j;">',
    }[kind]  # fmt: skip
    row = '<row r="1"><c t="inlineStr"><is><t>a</t></is></c></row>'
    row += '<row r="2"><c t="inlineStr"><is><t>x&e;y</t></is></c></row>'
    return sheet_xml(row, f"<!DOCTYPE worksheet [{declared}]>")


@pytest.mark.parametrize("kind", ["external", "parameter", "laughs"])
def test_entities_are_never_resolved(upload: Upload, tmp_path: Path, kind: str) -> None:
    try:
        stored = upload(xlsx({"Sheet1": _entities(tmp_path, kind)}), "xlsx")
    except InvalidTable as error:
        assert "damaged" in error.message
    else:
        (value,) = stored.table.column("a").to_pylist()
        assert "SECRET" not in value
        assert len(value) < 20


def test_a_stray_cell_far_away_is_named_before_memory_goes(upload: Upload) -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    with pytest.raises(InvalidTable, match="spans 1,048,576 rows and 16,384 columns"):
        upload(xlsx({"Sheet1": sheet_xml(rows)}), "xlsx")


def test_a_dimension_that_lies_changes_nothing(upload: Upload) -> None:
    content = sheet([["a"], [1]]).replace("<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>')
    assert upload(xlsx({"Sheet1": content}), "xlsx").table.to_pydict() == {"a": [1]}


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(upload: Upload) -> None:
    content = xlsx({"Sheet1": sheet([["a"]])}, {"xl/sharedStrings.xml": b" " * (80 << 20)})
    with pytest.raises(InvalidTable, match="unpacks to more than its limit of 67,108,864 bytes"):
        upload(content, "xlsx")
