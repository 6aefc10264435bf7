"""Excel workbooks: one sheet of an ``xlsx`` or an old ``xls`` file.

The header is the first row that is not empty. Empty rows and columns are left out, but they count where an option
counts rows or columns. A formula counts as the value that Excel stored with it; without one, the workbook is refused.
An error (``#N/A``) is null. Nothing outside the file is read: entities are not resolved, links not followed.

A column's type is inferred from all its values: numbers without fractions are int64, others float64; dates, with or
without a time, are timestamps; bare times and durations stay such; true and false are bool; text stays text. A column
that mixes kinds becomes text, each value as a person would write it.

The reader (calamine) allocates a sheet as a full rectangle and ends the process when memory runs out. So the extent of
the cells and the decompressed size are read from the file first.
"""

import datetime
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
import python_calamine as calamine

from runtime.datasets.file_types import ZIP_MAGIC
from runtime.datasets.formats import bounds, casting, compression, dtypes, headers
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.columns import refuse_missing
from runtime.datasets.formats.excel_formulas import Formulas, member_of, refuse_empty
from runtime.datasets.formats.options import Options, check_header, positions, refuse_unknown, structure, whole, words
from runtime.errors import InvalidTable

MAX_SHEET_CELLS: Final = 20_000_000
"""Cells of the rectangle around a sheet's values; so many take half a minute and 2 GB."""

MAX_UNPACKED_BYTES: Final = 1 << 31
KNOWN: Final = {"sheet_name", "header", "names", "usecols", "skiprows", "nrows", "dtype"}
_PIECE: Final = 1 << 20
_EXACT: Final = 2.0**53
_LETTERS: Final = re.compile(r"([A-Z]{1,3})(?::([A-Z]{1,3}))?")
_PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Za-z]{0,3})([0-9]{1,7})[\"']")  # of a cell; of a row, which has no letters

Cell = Any  # str, float, bool, datetime, date, time or timedelta; "" for an empty cell


def read_xlsx(body: Body, options: Options) -> pa.Table:
    """Return the table in an ``xlsx`` workbook. Options: those in ``KNOWN``."""
    refuse_unknown(options, KNOWN, "xlsx")
    if body.looks_like("xls"):
        raise InvalidTable(
            "the body is an old or an encrypted Excel file, not xlsx; declare file_type 'xls', or decrypt it"
        )
    if body.head(len(ZIP_MAGIC)) != ZIP_MAGIC:
        raise body.refuse("an Excel workbook")
    try:
        formulas = _check_archive(body)
    except (MemoryError, InvalidTable):
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise _damaged(error) from error
    return _table(body, options, formulas)


def read_xls(body: Body, options: Options) -> pa.Table:
    """Return the table in an ``xls`` workbook. Options as in ``read_xlsx``."""
    refuse_unknown(options, KNOWN, "xls")
    if not body.looks_like("xls"):
        raise body.refuse("an old Excel file")
    return _table(body, options)


def _check_archive(body: Body) -> dict[str, Formulas]:
    """Return what is known of the formulas of each member with a sheet.

    Raises ``InvalidTable`` for an archive that is not a workbook, unpacks to too much or spans too many cells.
    """
    formulas: dict[str, Formulas] = {}
    with compression.archive(body) as archive:
        names = {member.filename for member in archive.infolist()}
        if "xl/workbook.xml" not in {name.lstrip("/").lower() for name in names}:
            what = "an Excel binary workbook" if "xl/workbook.bin" in names else "a zip archive"
            raise InvalidTable(f"the body is {what}, not an xlsx workbook; save it as .xlsx")
        limit = min(MAX_UNPACKED_BYTES, max(compression.FREE_BYTES, compression.RATIO * body.size))
        unpacked = 0
        for member in archive.infolist():
            if not member.filename.lower().endswith((".xml", ".rels")):
                continue  # pictures and the like, which are never unpacked
            reach = _Reach()
            with archive.open(member) as content:
                while piece := content.read(_PIECE):
                    unpacked += len(piece)
                    if unpacked > limit:
                        raise InvalidTable(f"the workbook unpacks to more than its limit of {limit:,} bytes")
                    if "worksheets/" in member.filename:
                        reach.see(piece)
                        formulas.setdefault(member.filename.lstrip("/"), Formulas()).see(piece)
            reach.check()
    return formulas


class _Reach:
    """The extent of a sheet's cells, gathered from its XML piece by piece."""

    def __init__(self) -> None:
        self._columns: set[bytes] = set()
        self._first = self._last = 0
        self._tail = b""

    def see(self, piece: bytes) -> None:
        found = _PLACE.findall(self._tail + piece)
        self._tail = piece[-32:]
        if found:
            self._columns.update(column.upper() for column, _ in found if column)
            rows = {int(row) for _, row in found}
            self._first = min(self._first or min(rows), min(rows))
            self._last = max(self._last, max(rows))

    def check(self) -> None:
        """Raise ``InvalidTable`` if the rectangle around the cells is too large to allocate."""
        numbers = [_column_number(column) for column in self._columns]
        if not numbers:
            return
        width, height = max(numbers) - min(numbers) + 1, self._last - self._first + 1
        if width * height > MAX_SHEET_CELLS:
            raise InvalidTable(
                f"a sheet spans {height:,} rows and {width:,} columns; at most {MAX_SHEET_CELLS:,} cells can be "
                "read; remove stray cells far from the table, or send it as CSV or Parquet"
            )


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _table(body: Body, options: Options, formulas: dict[str, Formulas] | None = None) -> pa.Table:
    try:
        workbook = calamine.CalamineWorkbook.from_filelike(body.reader())
        sheet = _sheet(workbook, options)
        if formulas and any(one.first_empty is not None for one in formulas.values()):
            with compression.archive(body) as archive:
                refuse_empty(formulas, member_of(archive, sheet.name), sheet.name)
        rows = sheet.iter_rows() if sheet.height else iter(())
        first_column = sheet.start[1] if sheet.start else 0
        return _from_rows(iter(rows), options, first_column)
    except calamine.PasswordError as error:
        raise InvalidTable("the Excel file is encrypted; send it without a password") from error
    except (calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise _damaged(error) from error
    except (MemoryError, InvalidTable):
        raise
    except BaseException as error:
        if (
            type(error).__name__ != "PanicException"
        ):  # how a bug in calamine surfaces; it does not derive from Exception
            raise
        raise InvalidTable("the Excel file is damaged: its reader failed") from error


def _sheet(workbook: calamine.CalamineWorkbook, options: Options) -> calamine.CalamineSheet:
    """Return the sheet of the given name or position; by default the first worksheet."""
    sheets = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ is calamine.SheetTypeEnum.WorkSheet]
    if not sheets:
        raise InvalidTable("the workbook has no worksheet")
    given = options.get("sheet_name")
    if isinstance(given, str) and given in sheets:  # a name may look like a number
        return workbook.get_sheet_by_name(given)
    asked: Any = structure(options, "sheet_name")
    if type(asked) is int and 0 <= asked < len(sheets):
        return workbook.get_sheet_by_name(sheets[asked])
    if asked is None or asked == "":
        return workbook.get_sheet_by_name(sheets[0])
    if str(asked) not in sheets:
        told = ", ".join(repr(name[:60]) for name in sheets[:10])
        raise InvalidTable(f"the workbook has no sheet {str(asked)[:60]!r}; its sheets are {told}")
    return workbook.get_sheet_by_name(str(asked))


def _damaged(error: Exception) -> InvalidTable:
    return InvalidTable(f"the Excel file is truncated or damaged: {str(error)[:200]}")


def _from_rows(rows: Iterator[list[Cell]], options: Options, first_column: int) -> pa.Table:
    """Return the table of all rows of a sheet; header and names work as for CSV.

    ``first_column``: the position of the sheet's column where rows begin.
    """
    _skip(rows, whole(options, "skiprows") or 0)
    names = words(options, "names")
    header = structure(options, "header") if "header" in options else ("infer" if names is None else None)
    check_header(header)
    filled = (row for row in rows if any(cell != "" for cell in row))
    titles: list[Cell] | None = None
    if header is not None:
        _skip(rows, header if type(header) is int else 0)
        titles = next(filled, None)
        if titles is None:
            raise InvalidTable("the sheet is empty" if header == "infer" else "the sheet ends before its header")
    columns = _columns(filled, whole(options, "nrows"), len(titles or ()))
    places, labels = _labels(columns, titles, names)
    bounds.check_columns(len(labels))
    table = pa.Table.from_arrays([_column(columns[place]) for place in places], names=labels)
    by_place = {first_column + place: label for place, label in zip(places, labels, strict=True)}
    wanted = _by_letters(options.get("usecols"), by_place) or positions(options, "usecols", bounds.MAX_COLUMNS)
    if wanted is not None:
        empty = next((item for item in wanted if isinstance(item, int) and item not in by_place), None)
        if empty is not None:
            raise InvalidTable(f"option 'usecols' has the position {empty}, where the sheet has no column")
        chosen = [by_place[item] if isinstance(item, int) else item for item in wanted]
        refuse_missing("usecols", chosen, labels)
        table = table.select(list(dict.fromkeys(chosen)))
    return casting.apply(table, dtypes.asked(options))


def _by_letters(given: Any, by_place: Mapping[int, str]) -> list[str | int] | None:  # Any: JSON
    """Return the positions in a text such as ``A:C,F``: Excel's letters for columns; None if it has others.

    A range has those of its columns that are there. Names of columns go before letters.
    """
    items = given.split(",") if isinstance(given, str) else []
    if not items or set(items) <= set(by_place.values()):
        return None
    found: list[str | int] = []
    for item in items:
        letters = _LETTERS.fullmatch(item.strip())
        if letters is None:
            return None
        first, last = (_column_number(end.encode()) - 1 for end in (letters[1], letters[2] or letters[1]))
        inside = [place for place in sorted(by_place) if first <= place <= last]
        if not inside:
            return None
        found += inside
    return found


def _skip(rows: Iterator[list[Cell]], count: int) -> None:
    for _ in range(count):
        if next(rows, None) is None:
            return


def _columns(rows: Iterable[list[Cell]], count: int | None, width: int) -> list[list[Cell]]:
    """Return the cells by column; all rows of a sheet are equally long."""
    columns: list[list[Cell]] = [[] for _ in range(width)]
    for number, row in enumerate(rows):
        if count is not None and number >= count:
            break
        if not columns:
            columns = [[] for _ in row]
        for column, cell in zip(columns, row, strict=False):
            column.append(cell)
    return columns


def _labels(
    columns: list[list[Cell]], titles: list[Cell] | None, names: list[str] | None
) -> tuple[list[int], list[str]]:
    """Return places and names of the columns that have a name or a value."""
    filled = [position for position, column in enumerate(columns) if any(cell != "" for cell in column)]
    if titles is not None:
        with_values = set(filled)
        filled = [position for position in range(len(columns)) if position in with_values or titles[position] != ""]
        labels = headers.unique([_as_text(title) or "" for title in titles])
    else:
        labels = [str(position) for position in range(len(columns))]
    kept = [labels[position] for position in filled]
    if names is not None:
        if len(names) != len(kept):
            raise InvalidTable(f"option 'names' has {len(names)} names for {len(kept)} columns")
        kept = names
    return filled, kept


def _column(cells: list[Cell]) -> Any:  # pa.Array
    """Return one column in the type that all its values share, or as text."""
    kinds = {type(cell) for cell in cells if cell != ""}
    values = [None if cell == "" else cell for cell in cells]
    if not kinds:
        return pa.nulls(len(cells))
    if kinds <= {float, int}:
        is_whole = all(value is None or (value == value // 1 and abs(value) < _EXACT) for value in values)
        return pa.array([None if value is None else int(value) for value in values] if is_whole else values)
    if kinds <= {datetime.datetime, datetime.date}:
        return pa.array([_moment(value) for value in values], pa.timestamp("us"))
    if len(kinds) == 1:
        kind = next(iter(kinds))
        known = {str: pa.large_string(), bool: pa.bool_(), datetime.time: pa.time64("us")}
        return pa.array(values, known.get(kind, pa.duration("us")))
    return pa.array([_as_text(cell) for cell in cells], pa.large_string())


def _moment(value: datetime.date | None) -> datetime.datetime | None:
    if value is None or isinstance(value, datetime.datetime):
        return value
    return datetime.datetime.combine(value, datetime.time())


def _as_text(cell: Cell) -> str | None:
    """Return a cell as a person would write it: ``1``, not ``1.0``; dates in ISO 8601."""
    if cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else repr(cell)
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)
