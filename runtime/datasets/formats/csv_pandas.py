"""CSV through pandas, for options that Arrow's reader lacks. Types follow the rules in ``csv``."""

import warnings
from typing import Any

import pandas as pd
import pyarrow as pa

from runtime.datasets.formats import bounds, charsets, dtypes
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.options import Options, check_header, flag, structure, text, whole, words
from runtime.datasets.formats.separators import Separator
from runtime.errors import InvalidTable

_TEXTS = (
    "sep",
    "delimiter",
    "lineterminator",
    "quotechar",
    "escapechar",
    "encoding",
    "decimal",
    "thousands",
    "comment",
)
_FLAGS = ("skipinitialspace", "doublequote", "skip_blank_lines", "keep_default_na", "dayfirst")
_NUMBERS = ("quoting", "skipfooter", "nrows")
_WORDS = ("names", "true_values", "false_values", "na_values")
_STRUCTURES = ("usecols", "skiprows", "parse_dates")
_OTHERS = ("header", "dtype", "mangle_dupe_cols", "compression")
KNOWN = {*_TEXTS, *_FLAGS, *_NUMBERS, *_WORDS, *_STRUCTURES, *_OTHERS}


def read(body: Body, options: Options, nulls: list[str]) -> pa.Table:
    """Return the table. A row longer than the header is refused; a shorter row gets nulls, as in pandas."""
    arguments = _arguments(options)
    if arguments.pop("keep_default_na", True):
        arguments["na_values"] = [*nulls, *arguments.get("na_values", [])]
    source: Any = body.reader()  # the stubs do not know that it is a file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", UserWarning)  # about how dates are parsed; nobody would read it
            frame = pd.read_csv(source, index_col=False, keep_default_na=False, **arguments)
        bounds.check_columns(len(frame.columns))
        frame.columns = frame.columns.map(str)
        return pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)
    except (
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
        pd.errors.ParserWarning,
        pa.ArrowException,
    ) as error:
        if isinstance(error, MemoryError):
            raise
        if "out of memory" in str(error):  # pandas' tokenizer says so only in its text
            raise MemoryError from error
        raise InvalidTable(f"the body is not a readable CSV file: {str(error).strip()[:300]}") from error


def timestamps(name: str, column: Any) -> Any:  # Any: pa.ChunkedArray
    """Return a text column as dates. Raises ``InvalidTable`` if a value is not a date."""
    try:
        return pa.chunked_array([pa.array(pd.to_datetime(column.to_pandas()), from_pandas=True)])
    except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
        raise InvalidTable(f"column {name!r} cannot be read as dates: {str(error)[:300]}") from error


def _arguments(options: Options) -> dict[str, Any]:  # Any: pandas' own arguments
    """Return the options as arguments of ``pandas.read_csv``; only the names listed above reach it."""
    converters = {
        **dict.fromkeys(_TEXTS, text),
        **dict.fromkeys(_FLAGS, lambda given, name: flag(given, name, False)),
        **dict.fromkeys(_NUMBERS, whole),
        **dict.fromkeys(_WORDS, words),
        **dict.fromkeys(_STRUCTURES, structure),
    }
    arguments = {name: convert(options, name) for name, convert in converters.items() if name in options}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    if "header" in options:
        arguments["header"] = structure(options, "header")
    dtype = dtypes.asked(options)
    if dtype is not None:
        arguments["dtype"] = dtype
    if not flag(options, "mangle_dupe_cols", True):
        raise InvalidTable("mangle_dupe_cols=false cannot be combined with the other options given")
    _check(arguments)
    separator = Separator.asked(options)
    arguments.pop("delimiter", None)
    arguments |= {"sep": separator.pattern, "encoding": charsets.checked(text(options, "encoding"))}
    if (separator.text and not separator.is_plain) or arguments.get("skipfooter"):
        arguments["engine"] = "python"
    else:
        arguments["low_memory"] = False  # types are decided by whole columns; the other engine always does so
        arguments["float_precision"] = "round_trip"  # pandas' default is sometimes off by one bit
    return arguments


def _check(arguments: dict[str, Any]) -> None:
    """Raise ``InvalidTable`` for values that pandas would misread, or that would make it costly."""
    dates = arguments.get("parse_dates")
    if dates is not None and not isinstance(dates, bool):
        dates = dates.split(",") if isinstance(dates, str) else dates
        if not isinstance(dates, list) or not all(type(item) in (str, int) for item in dates):
            raise InvalidTable("option 'parse_dates' must be a list of column names or positions")
        arguments["parse_dates"] = dates
    check_header(arguments.get("header"))
    skipped = arguments.get("skiprows")
    if skipped is not None and not isinstance(skipped, int | list):
        raise InvalidTable("option 'skiprows' must be a number of rows or a list of row numbers")
    usecols = arguments.get("usecols")
    if isinstance(usecols, str):
        arguments["usecols"] = usecols.split(",")
