"""Shows the first rows of a table that came as records, CSV or Parquet."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Final  # Any: JSON values

from deployments.cli.terminal import counted, printable

ROWS: Final = 20
_WIDEST: Final = 40
_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a table as text, and the number of all its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    row_count: int


def preview_of_records(records: Sequence[dict[str, Any]]) -> Preview:
    """Return a preview of a list that has one object for each row."""
    first = records[:ROWS]
    columns = list(dict.fromkeys(name for record in first for name in record))
    rows = [[_cell(record.get(name)) for name in columns] for record in first]
    return Preview(columns, rows, len(records))


def preview_of_csv(file: BinaryIO) -> Preview:
    """Return a preview of CSV with a header. Reads the whole file to count the rows."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline=""))
    columns = next(reader, [])
    rows = list(islice(reader, ROWS))
    return Preview(columns, rows, len(rows) + sum(1 for _ in reader))


def preview_of_parquet(file: BinaryIO) -> Preview:
    """Return a preview of Parquet. An empty file is a table without columns."""
    if not file.read(1):
        return Preview([], [], 0)
    file.seek(0)
    from pyarrow import parquet

    opened = parquet.ParquetFile(file)
    columns = opened.schema_arrow.names
    batch = next(opened.iter_batches(batch_size=ROWS), None)
    values = [] if batch is None else zip(*(column.to_pylist() for column in batch.columns), strict=True)
    rows = [[_cell(value) for value in row] for row in values]
    return Preview(columns, rows, opened.metadata.num_rows)


def show_table(preview: Preview, title: str = "") -> None:
    """Print the rows, with as many columns as fit, and the number of all rows and columns."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if title:
        console.print(Text(title, style="bold"))
    cells = [[printable(cell) for cell in row] for row in (preview.columns, *preview.rows)]
    shown = _fitting(cells, console.width)
    if shown:
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for name in cells[0][:shown]:
            table.add_column(Text(name), no_wrap=True, overflow="ellipsis", max_width=_WIDEST)
        for row in cells[1:]:
            table.add_row(*(Text(cell) for cell in row[:shown]))
        console.print(table)
    console.print(Text(_summary(preview, shown), style="dim"))


def _fitting(cells: Sequence[Sequence[str]], width: int) -> int:
    """Return how many columns fit side by side; at least one if there are any."""
    from rich.cells import cell_len

    used = 0
    for position in range(len(cells[0])):
        widest = max(cell_len(row[position]) for row in cells if position < len(row))
        used += min(widest, _WIDEST) + _GAP
        if used - _GAP > width:
            return max(1, position)
    return len(cells[0])


def _summary(preview: Preview, columns: int) -> str:
    count, first = preview.row_count, len(preview.rows)
    shown = counted(count, "row")
    if first < count:
        shown = f"the first {first} of {shown}"
    if columns < len(preview.columns):
        shown += f", {columns} of {len(preview.columns):,} columns"
    return f"{shown}; -o FILE writes the whole result" if first < count or columns < len(preview.columns) else shown


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
