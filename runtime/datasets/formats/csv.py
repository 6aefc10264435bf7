"""CSV.

A column's type is inferred from all its values, never from a sample, by the rules of ``pandas.read_csv``:

- whole numbers are int64, so ``007`` is 7; ask ``dtype={"id": "str"}`` where leading zeros matter;
- whole numbers that do not all fit int64 are uint64 if they all fit that, and else stay text with all their digits;
- other numbers are float64, unless a whole number among them is one that no float can hold: then the column is text;
- ``true``, ``True``, ``TRUE`` and the same of false are bool; the rest is text, also ``0x1F``;
- dates and times stay text unless ``parse_dates`` names the column;
- empty fields and pandas' words for a missing value (``NA``, ``null``, ``NaN``, …) are null, in text columns too;
- a line with fewer values than the header has null in the rest; one with more is refused;
- a name that repeats in the header gets ``.1``, ``.2``; a missing name becomes ``Unnamed: <position>``.

Arrow's reader does the work. If an option or a line needs it, pandas' reader does (``csv_pandas``), by the same rules.
"""

import re
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from runtime.datasets.formats import (
    bounds,
    casting,
    charsets,
    csv_pandas,
    dates,
    dtypes,
    headers,
    separators,
    text_values,
)
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.columns import date_places, refuse_missing
from runtime.datasets.formats.options import (
    Options,
    character,
    flag,
    positions,
    refuse_unknown,
    structure,
    text,
    words,
)
from runtime.datasets.formats.separators import Separator
from runtime.datasets.formats.text_values import OddNumbers
from runtime.datasets.formats.tiny_numbers import TinyNumbers
from runtime.errors import InvalidTable

# Without ``names``: Arrow would apply types and columns to the names in the file.
_FAST = {
    "sep",
    "delimiter",
    "quotechar",
    "doublequote",
    "escapechar",
    "header",
    "usecols",
    "dtype",
    "encoding",
    "parse_dates",
    "skip_blank_lines",
    "mangle_dupe_cols",
    "compression",
}
KNOWN = _FAST | csv_pandas.KNOWN
_NULLS = [
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
]
_NULLS += ["NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
_JSON_START = re.compile(rb"\s*(\[\s*(\{\s*[\"}]|\[\s*[\[\]{\"0-9tfn-])|\{\s*\"[^\"]*\"\s*:)")
_WRONG_WIDTH = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")
_BETTER_TOLD = ("conversion error", "include_columns")
_TOO_SMALL = ("straddling object", "cannot infer number of columns")
_BLOCKS = (1 << 20, 1 << 26, (1 << 31) - 1)

AnyChunks = Any  # pa.ChunkedArray: its stubs know no element type that would help here


def read(body: Body, options: Options) -> pa.Table:
    """Return the table. Options: those of protocol 2.5 and those that ``csv_pandas`` adds."""
    refuse_unknown(options, KNOWN, "csv")
    encoding = charsets.checked(text(options, "encoding"))
    body.refuse_binary("CSV", zeros=charsets.has_zeros(encoding))
    body.refuse_graph("CSV")
    if _JSON_START.match(body.head(64)):
        raise InvalidTable("the body is JSON, not CSV; declare file_type 'json'")
    body, options = separators.declared_in_file(body, options, encoding)
    encoding = charsets.checked(text(options, "encoding"))
    separator = Separator.asked(options)
    separator.refuse_wide(body, options)
    if not text(options, "sep") and not text(options, "delimiter"):  # null and "" name none, as in ``Separator``
        separators.refuse_other(body, encoding)
    body, options = separators.with_blank_lines(body, options, separator, encoding)
    bounds.check_columns(len(words(options, "names") or ()))
    dtype, header = dtypes.asked(options), structure(options, "header")
    if not _is_for_arrow(options, dtype, header, separator) or not body.has_line_end():
        return csv_pandas.read(body, options, _NULLS)
    try:
        _refuse_open_quote(body, options)
        return _read(body, options, dtype if isinstance(dtype, dict) else {})
    except MemoryError:
        raise
    except (pa.ArrowException, UnicodeError, LookupError) as error:
        width = _WRONG_WIDTH.search(str(error))
        is_short = width is not None and int(width[3]) < int(width[2])
        if is_short or any(reason in str(error) for reason in _BETTER_TOLD):
            return csv_pandas.read(body, options, _NULLS)  # it fills short lines, and names columns and values
        hint = separators.hint(body, options, encoding) if width is not None else ""
        raise InvalidTable(f"the body is not a readable CSV file: {_sentence(error)}{hint}") from error


def _is_for_arrow(options: Options, dtype: Any, header: Any, separator: Separator) -> bool:
    usecols = positions(options, "usecols", bounds.MAX_COLUMNS) or []
    only_names = all(isinstance(item, str) for item in [*usecols, *date_places(options)])
    return (
        set(options) <= _FAST
        and not isinstance(dtype, str)
        and ("header" not in options or header == "infer" or (type(header) is int and header == 0))
        and only_names
        and separator.is_plain
    )


def _read(body: Body, options: Options, dtype: dict[str, str]) -> pa.Table:
    spelling = text_values.Spelling()
    date_columns = [str(place) for place in date_places(options)]
    texts = dict.fromkeys(date_columns, pa.large_string())
    odd = _odd_numbers(body, charsets.checked(text(options, "encoding")))
    asked = {name: _read_as(wanted, odd) for name, wanted in dtype.items()} | texts
    table = _parse(body, options, asked)
    refuse_missing("dtype", dtype, table.column_names)
    refuse_missing("parse_dates", date_columns, table.column_names)
    doubtful = [
        name
        for name, column in zip(table.column_names, table.columns, strict=True)
        if (name not in asked and text_values.is_doubtful(column, odd))
        or (name in asked and (text_values.has_far_number(column) or text_values.has_tiny_number(column, odd.tiny)))
    ]
    if doubtful:
        plain = _parse(body, options, asked | dict.fromkeys(doubtful, pa.large_string()))
        again = set(doubtful)
        columns = [
            text_values.inferred_again(as_text, arrows, spelling) if name in again and name not in asked else as_text
            for name, as_text, arrows in zip(table.column_names, plain.columns, table.columns, strict=True)
        ]
        table = pa.Table.from_arrays(columns, names=table.column_names)
    for position, name in enumerate(table.column_names):
        column = table.column(position)
        if column.type == pa.binary():
            raise InvalidTable(f"column {name!r} is not valid UTF-8; name the encoding with the option 'encoding'")
        if name in date_columns:
            table = table.set_column(position, name, dates.timestamps(name, column))
        elif name in dtype and (column.type != dtypes.arrow_type(dtype[name]) or dtype[name] == dtypes.CATEGORY):
            table = table.set_column(position, name, casting.converted(name, column, dtype[name], spelling))
    mangle = flag(options, "mangle_dupe_cols", True)
    return table.rename_columns(headers.unique(table.column_names)) if mangle else table


def _odd_numbers(body: Body, encoding: str) -> OddNumbers:
    def has(*words: str) -> bool:
        return body.contains(*(one for word in words for one in charsets.encoded(word, encoding)))

    tiny = TinyNumbers(body, searchable=encoding == "utf-8")
    return OddNumbers(hexadecimal=has("0x", "0X"), plus_signs=has("+"), tiny=tiny)


def _read_as(dtype: str, odd: OddNumbers) -> pa.DataType:
    """Return the type in which Arrow reads a column of that dtype. Arrow would read ``0x1F``, and refuse ``+7``."""
    target = dtypes.arrow_type(dtype)
    is_number = pa.types.is_integer(target) or pa.types.is_floating(target)
    return pa.large_string() if is_number and (odd.hexadecimal or odd.plus_signs) else target


def _refuse_open_quote(body: Body, options: Options) -> None:
    """Raise ``InvalidTable`` if the file ends inside a quoted field.

    Arrow's reader would close the field there, so a truncated upload would look whole.
    """
    if body.count(character(options, "quotechar", '"').encode()) % 2 and "escapechar" not in options:
        csv_pandas.read(body, options, _NULLS)  # raises if a field is open; a stray quote inside one is text


def _parse(body: Body, options: Options, types: dict[str, pa.DataType]) -> pa.Table:
    """Return the table as Arrow reads it, in larger blocks if a value does not fit the usual one."""
    for block_bytes in _BLOCKS:
        try:
            return _parse_blocks(body, options, types, block_bytes)
        except pa.ArrowInvalid as error:
            if block_bytes > body.size or not any(reason in str(error) for reason in _TOO_SMALL):
                raise
    raise InvalidTable("a value is longer than 2 GiB, or its quote is never closed")


def _parse_blocks(body: Body, options: Options, types: dict[str, pa.DataType], block_bytes: int) -> pa.Table:
    return pacsv.read_csv(
        body.reader(),  # type: ignore[arg-type]  # the stubs forget Arrow's own files
        read_options=pacsv.ReadOptions(
            use_threads=False,
            encoding=charsets.checked(text(options, "encoding")),
            block_size=block_bytes,
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=Separator.asked(options).text,
            quote_char=character(options, "quotechar", '"'),
            double_quote=flag(options, "doublequote", True),
            escape_char=character(options, "escapechar", "") if "escapechar" in options else False,
            newlines_in_values=True,
            ignore_empty_lines=flag(options, "skip_blank_lines", True),
        ),
        convert_options=pacsv.ConvertOptions(
            null_values=_NULLS,
            strings_can_be_null=True,
            true_values=list(text_values.TRUE),
            false_values=list(text_values.FALSE),
            column_types=types,
            include_columns=[str(place) for place in positions(options, "usecols", bounds.MAX_COLUMNS) or []],
        ),
    )


def _sentence(error: BaseException) -> str:
    """Return what is wrong with the file, bounded because Arrow's text may quote a long row."""
    told = str(error).splitlines()[0]
    if isinstance(error, UnicodeError):
        return f"its text is not valid {getattr(error, 'encoding', 'UTF-8').upper()}; name the option 'encoding'"
    if found := _WRONG_WIDTH.search(told):
        where = f"line {found[1]}" if found[1] else "a line"
        return f"{where} has {found[3]} values; the lines before have {found[2]}"
    if "cannot infer number of columns" in told:
        return "it has no header"
    return told.removeprefix("CSV parse error: ")[:300]
