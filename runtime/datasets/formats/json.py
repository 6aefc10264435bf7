"""JSON: rows, columns, JSON Lines, and pandas' orientations (protocol 2.5, 8).

Without an option, the shape decides: a list is rows (objects or arrays); an object of arrays or objects is columns; an
object of plain values is one row; several documents, one per line, are JSON Lines. If an object repeats a key, the last
value counts.

Types: whole numbers are int64 (uint64 beyond), other numbers float64, true and false bool, objects structs, arrays
lists. Text stays text, also if it looks like a date. A column that mixes kinds becomes text, each value as JSON writes
it: ``1`` and ``"a"`` become ``"1"`` and ``"a"``. Numbers and booleans are different kinds, and so are numbers with a
fraction and whole numbers that no float can hold. ``NaN`` and ``Infinity`` are read, because Python writes them.
"""

import json
import re
import resource
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from runtime.datasets.formats import bounds, casting, dtypes
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.json_values import Document, Json, LostDigits, exact_float
from runtime.datasets.formats.options import Options, flag, refuse_unknown, text
from runtime.datasets.formats.tiny_numbers import TinyNumbers
from runtime.errors import InvalidTable

KNOWN = {"orient", "lines", "dtype", "compression"}
_ORIENTS = {"columnar", "columns", "records", "rows", "split", "index", "values", "table"}
# graphistry-js adds these two to the columns of a columnar table (protocol 8).
_AGENT_KEYS = {"agent_name", "agent_version"}
_BOM = b"\xef\xbb\xbf"
# Bytes that orjson may need for each byte of a document: its buffer (12), and objects of the smallest kind (30).
_FAST_FACTOR = 44
_PIECE = 1 << 18
_MAY_BE_NO_FLOAT = re.compile(rb"[eE][+-]?0*[0-9]{3}|[0-9]{200}")  # floats end at 1.8e308, and begin at 5e-324
_WITHOUT_BIT = np.uint8(0xDF)
_SMALL_BYTES = 64 * 1024

_NOT_JSON = "the body is not JSON"

Row = dict[str, Json]
AnyColumn = Any  # pa.ChunkedArray: its stubs know no element type that would help here


def read(body: Body, options: Options) -> pa.Table:
    """Return the table. Options: those in ``KNOWN``."""
    refuse_unknown(options, KNOWN, "json")
    orient = text(options, "orient") or None
    if orient is not None and orient not in _ORIENTS:
        raise InvalidTable(f"orient {orient!r} is unknown; use one of {', '.join(sorted(_ORIENTS))}")
    lines = flag(options, "lines", False)
    if lines and orient not in (None, "records", "rows"):
        raise InvalidTable(
            f"the option lines=true reads one object a line, and the option orient={orient} does not; leave one of "
            "them out"
        )
    dtype = dtypes.asked(options)
    body.refuse_binary("JSON")
    body.refuse_graph("JSON")
    may_be_lines = orient is None and "lines" not in options

    known = Document(exact=False, containers=_containers(body), tiny=TinyNumbers(body))

    def decoded(known: Document) -> pa.Table:
        if lines:
            return _from_rows(_lines(body, known), known)
        return _from_text(body, orient, may_be_lines, known)

    try:
        try:
            table = decoded(known)
        except LostDigits:
            table = decoded(replace(known, exact=True))
        return casting.apply(table, dtype)
    except UnicodeEncodeError as error:
        raise InvalidTable("the body is not JSON: it has an unpaired surrogate") from error


def _containers(body: Body) -> int:
    """Return the most arrays and objects that the document can have: its opening brackets and braces."""
    letters = np.frombuffer(body.view(), "uint8")
    pieces = (letters[start : start + _PIECE] for start in range(0, len(letters), _PIECE))
    return sum(int(np.count_nonzero((piece & _WITHOUT_BIT) == ord("["))) for piece in pieces)  # { is [ with that bit


def _from_text(body: Body, orient: str | None, may_be_lines: bool, known: Document) -> pa.Table:
    """Return the table of one document, or of JSON Lines if they are possible and there are several."""
    try:
        document = _decode(body.view(), exact=known.exact)
    except InvalidTable as error:
        if not _starts_with_a_line(body):
            raise
        if not may_be_lines:
            raise InvalidTable(
                f"{error.message}; if each line is an object, send the option lines=true and no orient"
            ) from error
        return _from_rows(_lines(body, known), known)
    return _from_document(document, orient, known)


def _decode(view: memoryview, *, exact: bool = False) -> Json:
    """Return the document. ``exact``: whole numbers keep their digits, however many; orjson makes floats of them."""
    data = view[len(_BOM) :] if view[: len(_BOM)] == _BOM else view
    try:
        if not exact and (len(data) < _SMALL_BYTES or len(data) * _FAST_FACTOR < _room_bytes()):
            return orjson.loads(data)
        return _slow(data)  # slower, but it needs less memory and survives running out of it
    except orjson.JSONDecodeError as error:
        try:
            return _slow(data)  # this parser knows NaN, Infinity and 1e400
        except UnicodeDecodeError as undecodable:
            wrong = undecodable.object[undecodable.start]
            raise InvalidTable(
                f"{_NOT_JSON}: it is not valid UTF-8, byte {undecodable.start} is {wrong:#04x}; send UTF-8"
            ) from error
        except (ValueError, RecursionError):
            raise InvalidTable(f"{_NOT_JSON}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidTable(f"{_NOT_JSON}: {str(error)[:300]}") from error


def _slow(data: memoryview) -> Json:
    content = bytes(data)
    return json.loads(content, parse_float=exact_float if _MAY_BE_NO_FLOAT.search(content) else None)


def _room_bytes() -> float:
    """Return the address space that this process may still map; orjson ends the process when none is left."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    with open("/proc/self/statm", "rb", buffering=0) as statm:
        return limit - int(statm.read().split()[0]) * resource.getpagesize()


def _starts_with_a_line(body: Body) -> bool:
    """Return whether the first line that is not blank is a JSON object by itself."""
    for _, line in _numbered_lines(body):
        try:
            return isinstance(_decode(line), dict)
        except InvalidTable:
            return False
    return False


def _numbered_lines(body: Body) -> Iterator[tuple[int, memoryview]]:
    start = len(_BOM) if body.head(len(_BOM)) == _BOM else 0
    return ((number, line) for number, line in enumerate(body.lines(start), start=1) if not _is_blank(line))


def _is_blank(line: memoryview) -> bool:
    return not bytes(line[:64]).strip() and not bytes(line).strip()


def _lines(body: Body, known: Document) -> Iterator[Row]:
    for number, line in _numbered_lines(body):
        try:
            row = _decode(line, exact=known.exact)
        except InvalidTable as error:
            hint = "; if the whole body is one document, leave the option lines=true out" if number == 1 else ""
            raise InvalidTable(f"line {number} is not JSON: {_of_a_line(error.message)}{hint}") from error
        if not isinstance(row, dict):
            raise InvalidTable(f"line {number} is not a JSON object")
        yield row


def _of_a_line(message: str) -> str:
    """Return what is wrong with a line, without saying again what is not JSON, or that it is line 1 of itself."""
    return re.sub(r"line 1 column (\d+) \(char \d+\)", r"column \1", message.removeprefix(f"{_NOT_JSON}: "))


def _from_document(document: Json, orient: str | None, known: Document) -> pa.Table:
    if orient is None:
        _refuse_graph(document)
        _refuse_other_orient(document)
        _refuse_envelope(document)
        orient = _orient_of(document)
    if orient in ("columnar", "columns"):
        return _from_columns(_object(document, orient), known)
    if orient == "split":
        return _from_split(_object(document, orient), known)
    if orient == "table":
        return _from_table_schema(_object(document, orient), known)
    if orient == "index":
        rows = _object(document, orient)
        return _with_labels(_from_rows(rows.values(), known), list(rows), known)
    if orient == "values":
        return _from_arrays(_list(document, orient), None, known)
    return _from_rows(_list(document, orient), known)


def _orient_of(document: Json) -> str:
    if isinstance(document, list):
        return "values" if document and isinstance(document[0], list) else "records"
    if isinstance(document, dict):
        return "columnar"
    raise InvalidTable("the body must be a JSON array of rows or an object of columns")


def _refuse_graph(document: Json) -> None:
    """Raise ``InvalidTable`` for a graph (node-link, Cytoscape, JSON Graph Format): its lists are not columns."""
    inner = document
    for key in ("elements", "graph"):
        if isinstance(inner, dict) and isinstance(inner.get(key), dict) and "nodes" in inner[key]:
            inner = inner[key]
    edges = next((key for key in ("links", "edges") if isinstance(inner, dict) and key in inner), None)
    if edges is None or "nodes" not in inner:
        return
    if any(_holds_objects(inner[key]) for key in ("nodes", edges)):
        raise InvalidTable(
            f"the body is a graph with 'nodes' and {edges!r}, not a table; send each of them as a file of its own, and "
            "name both in the dataset (node_files, edge_files)"
        )


def _refuse_other_orient(document: Json) -> None:
    """Raise ``InvalidTable`` for pandas' orientations ``split`` and ``table``, whose parts are not columns."""
    if not isinstance(document, dict):
        return
    rows = document.get("data")
    if document.keys() == {"schema", "data"} and isinstance(rows, list) and isinstance(document["schema"], dict):
        raise InvalidTable("the body has a 'schema' and 'data', as pandas writes them; send the option orient=table")
    is_split = {"columns", "data"} <= document.keys() <= {"columns", "data", "index"}
    names = document.get("columns")
    if not (is_split and isinstance(names, list) and isinstance(rows, list) and rows):
        return
    if all(isinstance(row, list) and len(row) == len(names) for row in rows):
        raise InvalidTable(
            "the body has 'columns' and 'data', as pandas writes them; send the option orient=split (or the option "
            "orient=columnar, if these are the names of its columns)"
        )


def _refuse_envelope(document: Json) -> None:
    """Raise ``InvalidTable`` for rows inside of an object, as services answer: they would become one column."""
    names: list[str] = []
    inner = document
    while isinstance(inner, dict):
        nested = [name for name, value in inner.items() if isinstance(value, list | dict)]
        if len(nested) != 1:
            return
        if not names and not inner.keys() <= {*nested, *_AGENT_KEYS}:  # plain values beside columns are refused anyway
            return
        names += nested
        inner = inner[nested[0]]
    if names and _holds_objects(inner):
        raise InvalidTable(
            f"the body has its rows in {'.'.join(names)[:100]!r}, as answers of services do: send this array alone "
            f"(or the option orient=columnar, if {names[0][:100]!r} is a column of objects)"
        )


def _holds_objects(value: Json) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    first = next(iter(items), None)
    return isinstance(first, dict)


def _object(value: Json, what: str) -> Row:
    if not isinstance(value, dict):
        raise InvalidTable(f"with orient {what}, the body must be a JSON object")
    return value


def _list(value: Json, what: str) -> list[Json]:
    if not isinstance(value, list):
        raise InvalidTable(f"{what!r} must be a JSON array")
    return value


def _from_rows(rows: Iterable[Json], known: Document) -> pa.Table:
    """Return a column for every key of any row, in order of appearance; a row without the key has null there."""
    names: dict[str, None] = {}
    listed: list[Row] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InvalidTable(f"row {number} is not a JSON object")
        listed.append(row)
        if not row.keys() <= names.keys():
            names.update(dict.fromkeys(row))
            bounds.check_columns(len(names))
    bounds.check_cells(len(listed), len(names))
    return pa.table(
        {name: known.column(name, [row.get(name) for row in listed], around=len(listed) + 1) for name in names}
    )


def _from_columns(columns: Row, known: Document) -> pa.Table:
    """Return the table of columns: arrays, or objects of row label and value. Only plain values are one row."""
    nested: dict[str, Any] = {name: values for name, values in columns.items() if isinstance(values, list | dict)}
    scalars = [name for name in columns if name not in nested]
    if not nested:
        return _from_rows([columns] if columns else [], known)
    odd = [name for name in scalars if name not in _AGENT_KEYS]
    if odd:
        raise InvalidTable(f"column {odd[0]!r} is a single value, but other columns are arrays{_inner_rows(nested)}")
    labels: dict[str, None] = {}
    if any(isinstance(values, dict) for values in nested.values()):
        nested = dict(_all_objects(nested))
        labels = dict.fromkeys(label for values in nested.values() for label in values)
        bounds.check_cells(len(labels), len(nested))
        nested = {name: [values.get(label) for label in labels] for name, values in nested.items()}
    bounds.check_columns(len(nested))
    _check_lengths(nested)
    table = pa.table({name: known.column(name, values, around=len(columns) + 1) for name, values in nested.items()})
    return _with_labels(table, list(labels), known)


def _inner_rows(values: Mapping[str, Json]) -> str:
    """Return the advice for an answer of a service that has its rows in one of its values."""
    rows = [name for name, value in values.items() if isinstance(value, list) and _holds_objects(value)]
    return f"; if {rows[0]!r} has the rows, send its array alone" if len(rows) == 1 else ""


def _with_labels(table: pa.Table, labels: list[Json], known: Document) -> pa.Table:
    """Return the table with the labels of its rows as a column ``index``, unless they only count the rows."""
    if all(str(label) == str(number) for number, label in enumerate(labels)):
        return table
    name, number = "index", 0
    while name in table.column_names:
        number += 1
        name = f"index.{number}"
    return table.append_column(name, known.column(name, labels, around=0))


def _all_objects(columns: Row) -> Iterator[tuple[str, Row]]:
    for name, values in columns.items():
        if not isinstance(values, dict):
            raise InvalidTable(f"column {name!r} is an array, but other columns are objects{_inner_rows(columns)}")
        yield name, values


def _check_lengths(columns: Mapping[str, list[Json]]) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} {length}" for name, length in list(lengths.items())[:10])
        raise InvalidTable(f"columns differ in length: {told}{_inner_rows(columns)}")


def _from_arrays(rows: list[Json], names: list[Json] | None, known: Document) -> pa.Table:
    """Return the table of rows that are arrays; without names, columns are called ``0``, ``1``, …"""
    width = len(names) if names is not None else len(rows[0]) if rows and isinstance(rows[0], list) else 0
    bounds.check_columns(width)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            raise InvalidTable(f"row {number} is not an array of {width} values")
    labels = [str(name) for name in (range(width) if names is None else names)]
    columns = [
        # Four more: an object and three arrays, if the orientation is split.
        known.column(label, [row[position] for row in rows], around=len(rows) + 4)
        for position, label in enumerate(labels)
    ]
    return pa.Table.from_arrays(columns, names=labels)


def _from_split(document: Row, known: Document) -> pa.Table:
    """Return the table of pandas' orientation ``split``."""
    rows = _list(document.get("data"), "data")
    table = _from_arrays(rows, _list(document.get("columns"), "columns"), known)
    labels = _list(document.get("index", []), "index")
    if labels and len(labels) != len(rows):
        raise InvalidTable(f"'index' has {len(labels):,} labels for {len(rows):,} rows")
    return _with_labels(table, labels, known)


def _from_table_schema(document: Row, known: Document) -> pa.Table:
    """Return the table of pandas' orientation ``table``, without an index that has no name and only counts the rows."""
    schema = document.get("schema")
    keys = schema.get("primaryKey", []) if isinstance(schema, dict) else []
    table = _from_rows(_list(document.get("data"), "data"), known)
    if "index" not in keys or "index" not in table.column_names:
        return table
    labels: AnyColumn = table.column("index")
    return _with_labels(table.drop_columns(["index"]), labels.to_pylist(), known)
