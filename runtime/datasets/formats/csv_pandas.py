"""CSV through pandas, for options and files that Arrow's reader cannot take.

pandas only splits the file into text fields. Types follow the rules in ``csv``.
"""

import re
import warnings
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from runtime.datasets.formats import bounds, casting, charsets, dates, dtypes, separators, text_values
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.columns import date_places, named, refuse_missing
from runtime.datasets.formats.options import (
    MAX_ROW,
    Options,
    check_header,
    flag,
    positions,
    structure,
    text,
    whole,
    words,
)
from runtime.datasets.formats.separators import Separator
from runtime.errors import InvalidTable

_TEXTS = ("sep", "delimiter", "lineterminator", "quotechar", "escapechar", "encoding", "comment")
_FLAGS = ("skipinitialspace", "doublequote", "skip_blank_lines", "keep_default_na")
_MOST_ROWS: Final = 2**53
_NUMBERS = {"quoting": 3, "skipfooter": MAX_ROW, "nrows": _MOST_ROWS}
_WORDS = ("names", "na_values")
_SPELLING = ("decimal", "thousands", "true_values", "false_values")
_OTHERS = ("usecols", "skiprows", "parse_dates", "dayfirst", "header", "dtype", "mangle_dupe_cols", "compression")
KNOWN = {*_TEXTS, *_FLAGS, *_NUMBERS, *_WORDS, *_SPELLING, *_OTHERS}

_WRONG_WIDTH = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_LONG_FIRST_LINE = "Length of header or names does not match length of data"


def read(body: Body, options: Options, nulls: list[str]) -> pa.Table:
    """Return the table. A line longer than the header is refused; a shorter line gets nulls."""
    spelling, dtype = _spelling(options), dtypes.asked(options)
    frame = _fields(body, options, nulls)
    names = [str(name) for name in frame.columns]
    bounds.check_columns(len(names))
    frame.columns = range(len(names))  # type: ignore[assignment]  # names may repeat where pandas left them so
    table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1).replace_schema_metadata(None)
    asked = dict.fromkeys(names, dtype) if isinstance(dtype, str) else dtype or {}
    date_columns = named("parse_dates", date_places(options), names)
    refuse_missing("dtype", asked, names)
    columns = [
        _column(name, column.cast(pa.large_string()), asked.get(name), name in date_columns, options, spelling)
        for name, column in zip(names, table.columns, strict=True)
    ]
    return _in_order(pa.Table.from_arrays(columns, names=names), options)


def _column(
    name: str, column: Any, dtype: str | None, is_date: bool, options: Options, spelling: text_values.Spelling
) -> Any:  # Any: pa.ChunkedArray
    if dtype is not None and not is_date:
        return casting.converted(name, column, dtype, spelling)
    if is_date:
        return dates.timestamps(name, column, day_first=flag(options, "dayfirst", False))
    return text_values.inferred(column, spelling)


def _fields(body: Body, options: Options, nulls: list[str]) -> pd.DataFrame:
    """Return the fields as text, missing ones as null."""
    arguments = _arguments(options, body.size)
    if arguments.pop("keep_default_na", True):
        arguments["na_values"] = [*nulls, *arguments.get("na_values", [])]
    source: Any = body.reader()  # the stubs do not know that it is a file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame: pd.DataFrame = pd.read_csv(source, index_col=False, dtype=str, keep_default_na=False, **arguments)
            return frame
    except (ValueError, TypeError, LookupError, OverflowError, pd.errors.ParserWarning, pa.ArrowException) as error:
        if isinstance(error, MemoryError):
            raise
        if "out of memory" in str(error):  # pandas' tokenizer says so only in its text
            raise MemoryError from error
        if str(error).startswith(_LONG_FIRST_LINE) and "names" in options:
            count = len(words(options, "names") or ())
            raise InvalidTable(f"option 'names' has {count} names, and the first line of values has more") from error
        if "usecols" in arguments and "secols" in str(error):
            _refuse_usecols(body, arguments)
        is_wide = _WRONG_WIDTH.search(str(error)) or str(error).startswith(_LONG_FIRST_LINE)
        hint = separators.hint(body, options, arguments["encoding"]) if is_wide else ""
        raise InvalidTable(f"the body is not a readable CSV file: {_sentence(error)}{hint}") from error


def _refuse_usecols(body: Body, arguments: dict[str, Any]) -> None:
    """Raise ``InvalidTable`` if ``usecols`` has a column that is not there, or names and positions."""
    wanted = arguments["usecols"]
    others = {name: value for name, value in arguments.items() if name not in ("usecols", "nrows", "skipfooter")}
    source: Any = body.reader()
    header = pd.read_csv(source, index_col=False, dtype=str, nrows=0, **others)
    named("usecols", wanted, [str(name) for name in header.columns])
    if len(set(map(type, wanted))) > 1:
        raise InvalidTable("option 'usecols' must have names only, or positions only")


def _sentence(error: BaseException) -> str:
    told = str(error).strip()
    if isinstance(error, UnicodeError):
        return f"its text is not valid {getattr(error, 'encoding', 'UTF-8').upper()}; name the option 'encoding'"
    if found := _WRONG_WIDTH.search(told):
        return f"line {found[2]} has {found[3]} values; the lines before have {found[1]}"
    if told.startswith(_LONG_FIRST_LINE):
        return "the first line of values has more values than the header"
    if isinstance(error, pd.errors.EmptyDataError):
        return "it has no header"
    return told[:300]


def _spelling(options: Options) -> text_values.Spelling:
    """Return how numbers and flags are written. Raises ``InvalidTable``."""
    decimal, thousands = (text(options, name) or plain for name, plain in (("decimal", "."), ("thousands", "")))
    if len(decimal) != 1 or len(thousands) > 1 or decimal == thousands:
        raise InvalidTable("options 'decimal' and 'thousands' must be one character each, and differ")
    true_words, false_words = (tuple(words(options, name) or ()) for name in ("true_values", "false_values"))
    return text_values.Spelling(decimal, thousands, true_words, false_words)


def _in_order(table: pa.Table, options: Options) -> pa.Table:
    """Return the columns in the order of ``usecols``; pandas leaves them in the order of the file."""
    wanted = list(dict.fromkeys(positions(options, "usecols", bounds.MAX_COLUMNS) or []))
    if len(wanted) != table.num_columns or set(map(type, wanted)) != {int}:
        is_named = len(wanted) == table.num_columns and set(wanted) == set(table.column_names)
        return table.select([str(name) for name in wanted]) if is_named else table
    in_file = sorted(wanted, key=int)
    return table.select([in_file.index(place) for place in wanted])


def _arguments(options: Options, byte_count: int) -> dict[str, Any]:  # Any: pandas' own arguments
    """Return the options as arguments of ``pandas.read_csv``; only the names listed above reach it."""
    arguments: dict[str, Any] = {name: text(options, name) for name in _TEXTS}
    arguments |= {name: flag(options, name, False) for name in _FLAGS if options.get(name) is not None}
    arguments |= {name: whole(options, name, most) for name, most in _NUMBERS.items()}
    arguments |= {name: words(options, name) for name in _WORDS}
    arguments["usecols"] = positions(options, "usecols", bounds.MAX_COLUMNS)
    arguments["skiprows"] = _skipped(options)
    arguments = {name: value for name, value in arguments.items() if value is not None}
    if "nrows" in arguments:
        arguments["nrows"] = min(arguments["nrows"], byte_count)  # a file has no more rows than bytes
    if "header" in options:
        arguments["header"] = structure(options, "header")
        check_header(arguments["header"])
    if not flag(options, "mangle_dupe_cols", True):
        raise InvalidTable("the option mangle_dupe_cols=false cannot be combined with the other options given")
    separator = Separator.asked(options)
    arguments.pop("delimiter", None)
    arguments |= {"sep": separator.pattern, "encoding": charsets.checked(text(options, "encoding"))}
    if (separator.text and not separator.is_plain) or arguments.get("skipfooter"):
        arguments["engine"] = "python"
    return arguments


def _skipped(options: Options) -> int | list[int] | None:
    """Return the number of rows to skip, or their numbers. Raises ``InvalidTable``."""
    given: Any = structure(options, "skiprows")
    if isinstance(given, list):
        if not all(type(item) is int and 0 <= item < _MOST_ROWS for item in given) or len(given) > MAX_ROW:
            raise InvalidTable(
                f"option 'skiprows' must be a number of rows or a list of row numbers, at most {MAX_ROW:,}"
            )
        return given
    return whole({"skiprows": given}, "skiprows")
